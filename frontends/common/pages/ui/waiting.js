// Requests that wait, at every node that can be heard, and what each waits for.

import { Keyed, byId, duration, h, number, row, sentence, text } from "./dom.js";

// What is answered within a moment is no news.
const LONG = 250;
const SHOWN = 50;

const rows = new Keyed(byId("waiting-rows"), () => {
  const { element, cells } = row([
    ["Request"],
    ["At"],
    ["What it waits for", "words"],
    ["Since", "number"],
    ["Time left", "number"],
    ["If time runs out"],
  ]);
  const what = h("strong");
  const key = h("code");
  cells[0].append(what, " ", key);
  return {
    element,
    update({ node, wait }) {
      text(what, wait.operation);
      text(key, wait.key ?? (wait.operation === "list" ? "all keys" : ""));
      text(cells[1], `node ${node}`);
      text(cells[2], sentence(wait.words));
      text(cells[3], duration(wait.since_ms));
      text(cells[4], duration(wait.deadline_in_ms));
      text(
        cells[5],
        wait.at_timeout === "unknown" ? "unknown: it may take effect" : "not applied, for certain",
      );
    },
  };
});

const summaries = new Keyed(byId("waiting-summary"), () => {
  const element = h("li");
  return { element, update: (words) => text(element, words) };
});

function summaryOf(watched) {
  const { id } = watched.status;
  if (watched.hidden)
    return `Node ${id}: ${number(watched.status.waiting.requests)} under way; this token does not show which.`;
  const oldest = watched.why?.waiting[0];
  if (oldest && oldest.since_ms >= LONG) return `Node ${id}: ${watched.why.summary}.`;
  const others = watched.why?.at_primary;
  if (others && others.parked > 0) return `Node ${id}: ${watched.why.summary}.`;
  return null;
}

export function render(cluster) {
  byId("waiting-summary").querySelector(":scope > .muted")?.remove();
  const lines = [];
  const waits = [];
  let more = 0;
  for (const watched of cluster.speaking) {
    const words = summaryOf(watched);
    if (words !== null) lines.push([watched.status.id, words]);
    more += watched.why?.left_out ?? 0;
    for (const wait of watched.why?.waiting ?? []) {
      if (wait.since_ms >= LONG) waits.push({ node: watched.status.id, wait });
    }
  }
  const heard = cluster.speaking.length > 0;
  const silent = heard
    ? `Nothing has waited for longer than ${LONG} ms at the nodes that can be heard.`
    : cluster.own.status === null
      ? "Nothing is known yet."
      : "No node can be heard.";
  summaries.update(lines.length ? lines : [["", silent]]);
  waits.sort((one, other) => other.wait.since_ms - one.wait.since_ms);
  more += Math.max(0, waits.length - SHOWN);
  rows.update(waits.slice(0, SHOWN).map((item, place) => [place, item]));
  byId("waiting-box").hidden = waits.length === 0;
  text(byId("waiting-more"), more > 0 ? `${number(more)} more are not shown.` : "");
}
