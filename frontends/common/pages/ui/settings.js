// The settings of the node that served the page.

import { Keyed, byId, bytes, h, number, text } from "./dom.js";

const settings = new Keyed(byId("setting-list"), () => {
  const name = h("dt");
  const value = h("dd");
  return {
    element: h("div", {}, name, value),
    update([label, words]) {
      text(name, label);
      text(value, words);
    },
  };
});

// A setting with its unit, as `--help` has it.
function inUnits(name, value) {
  if (typeof value !== "number") return value;
  if (name.endsWith("_bytes")) return bytes(value);
  if (name === "fill_rate") return value === 0 ? "unlimited" : `${bytes(value)}/s`;
  if (name === "clock_drift") return `${value / 10_000} %`;
  return Number.isInteger(value) && name.startsWith("max_") ? number(value) : `${value} s`;
}

export function render(status) {
  if (!status) return;
  const onlyLeases = (name) => name === "lease" || name === "clock_drift";
  const facts = Object.entries(status.settings)
    .filter(([name]) => status.reads === "lease" || !onlyLeases(name))
    .map(([name, value]) => [name.replaceAll("_", " "), inUnits(name, value)]);
  facts.push(
    ["incarnation", status.incarnation],
    ["log kept", `${number(status.log.end - status.log.start)} operations`],
  );
  settings.update(facts.map((fact) => [fact[0], fact]));
}
