// How the cluster is, in one sentence, and what was lost.

import * as advice from "./advice.js";
import { homeless } from "./cluster.js";
import { Keyed, announce, attribute, byId, count, duration, h, markOf, number, text } from "./dom.js";
import { placeOf } from "./net.js";

// How bad it is, one sentence, and more of them.
function judge(cluster) {
  const { own, status } = cluster;
  if (!own.speaks && cluster.speaking.length === 0) {
    if (own.status === null && own.problem === "") return ["wait", "Asking …", []];
    if (own.status === null && own.asks) return ["wait", "Nothing is known without a token.", []];
    const words = `The node that serves this page cannot be heard: ${own.problem}.`;
    return ["bad", words, ["What stands below is as it was heard last."]];
  }
  const more = reasonsOf(cluster);
  if (own.speaks && homeless(own.status)) {
    const rest = status === own.status ? [] : [ofView(cluster, [])[1]];
    return ["warn", `Node ${own.status.id}, which serves this page, belongs to no view.`, [...rest, ...more]];
  }
  return ofView(cluster, more);
}

// The same of the newest view that is known.
function ofView(cluster, more) {
  const { status } = cluster;
  if (homeless(status)) return ["warn", `Node ${status.id} belongs to no view.`, more];
  const size = count(status.view.length, "member", "members");
  const view = status.epoch === null ? "The told view" : `The view of epoch ${status.epoch}`;
  if (status.blocked) return ["bad", `${view} cannot be installed: ${status.blocked}.`, more];
  if (status.status !== "active") {
    const meanwhile = cluster.current.some((each) => each.status.ready)
      ? "; requests are answered meanwhile"
      : "";
    return ["warn", `${view}, of ${size}, is being installed${meanwhile}.`, more];
  }
  const hold = holdsUp(cluster);
  if (hold) return ["bad", `${view} is active, but ${hold}.`, more];
  return [more.length ? "warn" : "ok", `${view} is active: node ${status.primary} leads ${size}.`, more];
}

function holdsUp({ current, status }) {
  const waiting = status.reads === "lease" ? "writes" : "writes and reads";
  const suspected = current.flatMap((each) => each.status.backups.filter((backup) => backup.suspected));
  if (suspected.length)
    return `${waiting} wait for ${suspected.map((backup) => `node ${backup.id}`).join(", ")}`;
  const deserted = current.some((each) => each.status.waiting_for.some((wait) => wait.id === status.primary));
  return deserted && status.status === "active"
    ? `its primary, node ${status.primary}, is silent: ${waiting} wait for it`
    : "";
}

// Why a node belongs to no view.
export function sentHome(status) {
  if (status.status === "none") return "it was told no view since it started";
  const epoch = status.epoch === null ? "" : ` of epoch ${status.epoch}`;
  const since = `${duration(status.told_ms)} ago`;
  if (status.view.length === 0) return `it was told the empty view${epoch}, ${since}`;
  const whom = status.view.map((member) => `node ${member.id}`).join(", ");
  return `it was told a view${epoch} without it, of ${whom}, ${since}`;
}

function reasonsOf(cluster) {
  const { own } = cluster;
  const more = own.speaks ? [] : [`The node that serves this page cannot be heard: ${own.problem}.`];
  for (const { status } of cluster.current) {
    if (status.advice) continue; // it says the same there, and more
    for (const wait of status.waiting_for)
      more.push(`Node ${status.id} waits for node ${wait.id}: ${wait.reason}.`);
  }
  for (const { status } of cluster.speaking.filter((each) => !cluster.current.includes(each))) {
    const member = cluster.members.find((each) => each.id === status.id);
    if (homeless(status) && member?.inView && status !== own.status)
      more.push(`Node ${status.id} is a member of this view, but serves nobody: ${sentHome(status)}.`);
    if (status.status !== "installing") continue;
    const whom = status.waiting_for.map((wait) => `node ${wait.id}: ${wait.reason}`).join("; ");
    more.push(
      `Node ${status.id} was told another view, which is being installed${whom ? ` (${whom})` : ""}.`,
    );
  }
  const lost = cluster.members.filter(
    (member) => member.inView && cluster.watchedAt(member.address)?.problem,
  );
  if (lost.length && own.speaks) {
    const whom = lost.map((member) => `node ${member.id}`).join(", ");
    more.push(`This browser cannot hear ${whom}; the table says what others know.`);
  }
  return more;
}

const reasons = new Keyed(byId("banner-more"), () => {
  const element = h("li");
  return { element, update: (words) => text(element, words) };
});

export function render(cluster) {
  drawBanner(cluster);
  advice.render(cluster);
  drawHint(cluster);
  drawLosses(cluster);
}

function drawBanner(cluster) {
  const [kind, words, more] = judge(cluster);
  const banner = byId("banner");
  attribute(banner, "class", `banner ${kind}`);
  text(banner.querySelector(".mark"), markOf(kind));
  text(byId("banner-words"), words);
  const lines = [...new Set(more)].slice(0, 8);
  reasons.update(lines.map((line, place) => [place, line]));
  byId("banner-more").hidden = lines.length === 0;
  if (kind !== "wait") announce(words);
}

const doors = new Keyed(byId("origin-doors"), (address) => {
  const element = h("li", {}, h("a", { href: `${placeOf(address)}ui` }, address));
  return { element, update() {} };
});

// Members tell their state to pages of members. A page that was opened at another name hears its own node alone.
function drawHint({ own, others }) {
  const addresses = (own.status?.view ?? []).map((member) => member.address);
  const deaf = [...others.values()].some((watched) => watched.problem);
  byId("origin-hint").hidden = addresses.length === 0 || addresses.includes(location.host) || !deaf;
  text(byId("origin-here"), location.host);
  doors.update(addresses.map((address) => [address, address]));
}

const losses = new Keyed(byId("loss-list"), () => {
  const element = h("li");
  return { element, update: (words) => text(element, words) };
});

function drawLosses(cluster) {
  const found = new Map();
  for (const watched of cluster.all) {
    for (const loss of watched.status?.dropped ?? []) {
      const size = count(loss.to - loss.from, "operation", "operations");
      const where = `${number(loss.from)} to ${number(loss.to - 1)}`;
      const words = `Positions ${where} of the log of node ${loss.id}: ${size}.`;
      found.set(`${loss.id} ${loss.from} ${loss.to}`, words);
    }
  }
  losses.update([...found]);
  byId("losses").hidden = found.size === 0;
}
