// The members of the view: what each says itself, and what the others know of those that cannot be heard.

import { Keyed, ago, attribute, badge, byId, duration, h, number, row, sentence, text } from "./dom.js";
import { homeless } from "./cluster.js";
import { spark } from "./rates.js";
import { sentHome } from "./state.js";

const COLUMNS = [
  ["Node"],
  ["Role"],
  ["State", "words"],
  ["Applied", "number"],
  ["Behind", "number"],
  ["Waiting", "number"],
  ["Writes/s", "spark-cell"],
  ["Heard", "nowrap"],
];

function makeRow() {
  const { element, cells } = row(COLUMNS);
  const [node, role, state, applied, behind, waiting, rate, heard] = cells;
  const link = h("a");
  const address = h("span", { class: "muted address" });
  const mark = badge();
  const words = h("p", { class: "muted small" });
  const line = spark("Writes per second");
  node.append(link, address);
  state.append(mark.element, words);
  rate.append(line.element);
  return {
    element,
    update(member) {
      element.classList.toggle("stale", member.stale);
      text(link, `Node ${member.id}`);
      attribute(link, "href", member.href);
      text(address, member.address + (member.own ? " · serves this page" : ""));
      text(role, member.role);
      mark.update(member.kind, member.label);
      text(words, member.words);
      words.hidden = !member.words;
      text(applied, member.applied);
      text(behind, member.behind);
      text(waiting, member.waiting);
      line.update(member.samples, member.stale);
      text(heard, member.heard);
    },
  };
}

const rows = new Keyed(byId("member-rows"), makeRow);

// What the primary, or whoever else can be heard, says of a member.
function hearsay(id, cluster) {
  for (const watched of cluster.current) {
    const backup = watched.status.backups.find((each) => each.id === id);
    if (backup) return { from: watched.status.id, backup };
  }
  return null;
}

function knownOf(id, cluster) {
  const found = hearsay(id, cluster);
  if (found) {
    const { from, backup } = found;
    if (backup.suspected)
      return `Node ${from} suspects it: ${backup.suspected}, for ${duration(backup.suspected_ms)}.`;
    return backup.owes_ms !== null && backup.owes_ms > 500
      ? `It owes node ${from} an answer since ${duration(backup.owes_ms)}.`
      : `Node ${from} hears from it: if it was told another view, or none, its own page says so.`;
  }
  for (const watched of cluster.current) {
    const wait = watched.status.waiting_for.find((each) => each.id === id);
    if (wait) return `Node ${watched.status.id} waits for it: ${wait.reason}.`;
    if (watched.status.primary === id && watched.status.heard_ms !== null) {
      return `Node ${watched.status.id} last heard it ${duration(watched.status.heard_ms)} ago.`;
    }
  }
  return "Nobody who can be heard says anything of it.";
}

function otherView(status) {
  if (status.epoch !== null) return `It knows only the view of epoch ${status.epoch}.`;
  const whom = status.waiting_for.map((wait) => `node ${wait.id}: ${wait.reason}`).join("; ");
  return `It was told another view${whom ? `, and waits for ${whom}` : ""}.`;
}

function stateOf(member, watched, cluster) {
  if (watched === undefined || (watched.status === null && watched.problem === ""))
    return ["wait", "asking", ""];
  if (!watched.speaks && !member.inView)
    return ["wait", "not in the view", `From this browser: ${watched.problem}.`];
  if (!watched.speaks) {
    const known = knownOf(member.id, cluster);
    return ["bad", "not heard", `From this browser: ${watched.problem}. ${known}`];
  }
  const status = watched.status;
  if (homeless(status)) return ["warn", "no view", sentence(sentHome(status))];
  const stale = cluster.current.includes(watched) ? "" : otherView(status);
  if (!member.inView) return ["wait", "not in the view", stale];
  if (stale) return ["warn", status.status === "active" ? "not told" : status.status, stale];
  const whom = status.waiting_for.map((wait) => `node ${wait.id}: ${wait.reason}`).join("; ");
  if (status.blocked) return ["bad", "blocked", status.blocked];
  const found = hearsay(member.id, cluster);
  if (found?.backup.suspected) {
    return [
      "bad",
      "suspected",
      `Node ${found.from} says: ${found.backup.suspected}, for ${duration(found.backup.suspected_ms)}.`,
    ];
  }
  if (status.status !== "active") return ["warn", status.status, whom];
  return whom ? ["warn", "waits", whom] : ["ok", "active", leaseWords(status)];
}

function leaseWords(status) {
  if (status.reads !== "lease") return "";
  if (status.lease_ms !== null)
    return status.lease_ms > 0
      ? `Reads alone for ${duration(status.lease_ms)} more.`
      : "Reads take a round: no lease.";
  return status.stands_by_ms > 0 ? `Stands by its primary for ${duration(status.stands_by_ms)} more.` : "";
}

function describe(member, cluster) {
  const watched = cluster.watchedAt(member.address);
  const [kind, label, words] = stateOf(member, watched, cluster);
  const status = watched?.status ?? null;
  const current = watched?.speaks ? status : null;
  const found = hearsay(member.id, cluster);
  let behind = "";
  if (found) behind = number(found.backup.lag);
  else if (member.id === cluster.primary) behind = "–";
  let heard = "never";
  if (watched?.speaks) heard = watched.silence < 2500 ? "now" : `${ago(watched.silence)} ago`;
  else if (watched && watched.heardAt !== null) heard = `${ago(watched.silence)} ago`;
  return {
    id: member.id,
    address: member.address,
    href: member.own ? "ui" : `${cluster.placeAt(member.address)}ui`,
    own: member.own,
    role: !member.inView ? "–" : member.id === cluster.primary ? "primary" : "backup",
    kind,
    label,
    words,
    applied: status === null ? (found ? `≤ ${number(found.backup.acked)}` : "–") : number(status.commit),
    behind: behind || "–",
    waiting:
      current === null
        ? "–"
        : number(current.waiting.requests + (current.role === "primary" ? current.waiting.parked : 0)),
    stale: current === null,
    samples: watched?.samples ?? [],
    heard,
  };
}

const transferRows = new Keyed(byId("transfer-list"), () => {
  const words = h("span");
  const progress = h("progress", { max: 1 });
  const element = h("li", {}, h("label", {}, words, progress));
  return {
    element,
    update({ node, transfer }) {
      const { done, total, unit, what, direction, refusal } = transfer;
      const whom = `node ${transfer.id}`;
      const way = direction === "to" ? `${whom} from node ${node}` : `node ${node} from ${whom}`;
      const how = `${number(done)} of ${number(total)} ${unit}`;
      text(words, `A ${what} to ${way}: ${how}${refusal ? `; refused: ${refusal}` : ""}`);
      progress.value = total > 0 ? done / total : 1;
    },
  };
});

export function render(cluster) {
  rows.update(cluster.members.map((member) => [member.address, describe(member, cluster)]));
  const transfers = cluster.speaking.flatMap((watched) =>
    watched.status.transfers
      .filter((transfer) => transfer.done < transfer.total)
      .map((transfer) => [
        `${watched.status.id} ${transfer.direction} ${transfer.id}`,
        { node: watched.status.id, transfer },
      ]),
  );
  transferRows.update(transfers);
  byId("transfers").hidden = transfers.length === 0;
}
