// What has happened: the views that became active, and every event worth seeing, of all nodes that were heard.

import { Keyed, announce, byId, clock, count, h, text } from "./dom.js";

const SHOWN = 200;
const VIEWS = 20;
const KINDS = { info: "wait", warning: "warn", error: "bad" };
const MARKS = { info: "·", warning: "!", error: "✕" };

const rows = new Keyed(byId("event-list"), (event) => {
  const words = `Node ${event.node}: ${event.words}.`;
  const element = h(
    "li",
    { class: KINDS[event.level] },
    h("time", { datetime: event.time, title: event.time }, clock(event.time)),
    h("span", { class: "mark", "aria-hidden": "true" }, MARKS[event.level]),
    h("span", {}, h("span", { class: "hidden" }, event.level === "info" ? "" : `${event.level}: `), words),
  );
  return { element, update() {} };
});

const views = new Keyed(byId("view-list"), (view) => {
  const title = h("strong");
  const when = h("time", { datetime: view.time, title: view.time });
  const words = h("span", { class: "muted" });
  const element = h("li", {}, h("span", { class: "row" }, title, when), words);
  return {
    element,
    update({ ballot, primary, members, time, newest, dropped }) {
      const [epoch, attempt] = ballot.split("@")[0].split(".");
      text(
        title,
        `Epoch ${epoch}${attempt === "0" ? "" : `, installed again (${attempt})`}: node ${primary} leads`,
      );
      text(when, clock(time));
      const who = members ? `Members ${members.replaceAll(",", ", ")}.` : "";
      text(words, `${who}${dropped ? ` ${dropped}` : ""}`);
      element.classList.toggle("current", newest);
      element.classList.toggle("lossy", Boolean(dropped));
    },
  };
});

// The views that became active, the newest first, by what their members told of them.
function viewsOf(events) {
  const found = new Map();
  const members = new Map();
  const losses = new Map();
  const joining = new Map();
  for (const event of events) {
    const { ballot } = event.fields;
    const node = `${event.node} ${event.life}`;
    if (event.event === "proposed") members.set(ballot, event.fields.members);
    if (event.event === "proposed" || event.event === "promised") joining.set(node, ballot);
    if (event.event === "dropped") {
      // Each member tells of it while it joins: the loss is the same one.
      const { member, first, end } = event.fields;
      const lost = losses.get(joining.get(node)) ?? new Map();
      losses.set(joining.get(node), lost.set(`${member} ${first}`, end - first));
    }
    if ((event.event === "became_primary" || event.event === "installed") && !found.has(ballot)) {
      found.set(ballot, { ballot, primary: ballot.split("@")[1], time: event.time });
    }
  }
  return [...found.values()]
    .reverse()
    .slice(0, VIEWS)
    .map((view, place) => {
      const lost = [...(losses.get(view.ballot)?.values() ?? [])].reduce((sum, size) => sum + size, 0);
      const dropped = lost
        ? `${count(lost, "operation", "operations")} of another history were lost in this join.`
        : "";
      return [view.ballot, { ...view, members: members.get(view.ballot), newest: place === 0, dropped }];
    });
}

let known = null;

// New warnings are said aloud; what was there when the page came is not.
function tell(events) {
  const keys = new Set(events.map((event) => event.key));
  if (known !== null) {
    const fresh = events.filter((event) => !known.has(event.key) && event.level !== "info");
    if (fresh.length) announce(`Node ${fresh.at(-1).node}: ${fresh.at(-1).words}`);
  }
  known = keys;
}

export function render(cluster) {
  const events = cluster.all.flatMap((watched) => watched.events);
  for (const event of events) event.key ??= `${event.node} ${event.life} ${event.number}`;
  events.sort((one, other) =>
    one.time < other.time ? -1 : one.time > other.time ? 1 : one.number - other.number,
  );
  tell(events);
  const list = viewsOf(events);
  views.update(list);
  byId("views-none").hidden = list.length > 0;
  const told = events.length > 0;
  text(byId("views-none"), told ? "No view has become active while these nodes remember." : "Nothing is known yet.");
  const wanted = byId("serious").checked ? events.filter((event) => event.level !== "info") : events;
  rows.update(
    wanted
      .slice(-SHOWN)
      .reverse()
      .map((event) => [event.key, event]),
  );
}
