// How much goes on: differences of what the nodes count, a second apart, as numbers and small lines.

import { Keyed, attribute, byId, bytes, h, number, row, svg, text } from "./dom.js";

const WIDTH = 120;
const HEIGHT = 28;
const SECONDS = 60;
// Below it, it is what is sent in a moment.
const MUCH_MAIL = 65_536;

// The rate between each two samples that follow each other, by what `value` finds in them.
export function ratesOf(samples, value = (sample) => sample.applied) {
  const rates = [];
  for (let at = 1; at < samples.length; at += 1) {
    const before = value(samples[at - 1]);
    const after = value(samples[at]);
    const seconds = (samples[at].at - samples[at - 1].at) / 1000;
    // A node that joins another history may count less than before.
    const rate =
      before === null || after === null || seconds <= 0 ? 0 : Math.max(0, after - before) / seconds;
    rates.push({ at: samples[at].at, rate });
  }
  return rates;
}

const rounded = (rate) => (rate > 0 && rate < 10 ? rate.toFixed(1) : number(Math.round(rate)));

// A line of the last minute. Its words say what it shows to who cannot see it.
export function spark(title, value) {
  const line = svg("polyline", { class: "spark-line" });
  const area = svg("polygon", { class: "spark-area" });
  const picture = svg(
    "svg",
    {
      class: "spark",
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      preserveAspectRatio: "none",
      role: "img",
      focusable: "false",
    },
    svg("line", { class: "spark-base", x1: 0, y1: HEIGHT - 0.5, x2: WIDTH, y2: HEIGHT - 0.5 }),
    area,
    line,
  );
  const words = h("span", { class: "rate" });
  const element = h("span", { class: "spark-box" }, words, picture);
  return {
    element,
    update(samples, stale = false) {
      const rates = ratesOf(samples, value);
      const now = performance.now();
      const most = Math.max(1, ...rates.map((each) => each.rate));
      const points = rates
        .map(({ at, rate }) => [
          WIDTH * (1 - (now - at) / 1000 / SECONDS),
          HEIGHT - 2 - (rate / most) * (HEIGHT - 4),
        ])
        .filter(([x]) => x >= 0);
      const path = points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");
      attribute(line, "points", path);
      const [first, last] = [points[0], points.at(-1)];
      attribute(
        area,
        "points",
        first ? `${first[0].toFixed(1)},${HEIGHT} ${path} ${last[0].toFixed(1)},${HEIGHT}` : "",
      );
      const current = rates.at(-1)?.rate ?? 0;
      text(words, rates.length && !stale ? rounded(current) : "–");
      attribute(
        picture,
        "aria-label",
        `${title} in the last minute: now ${rounded(current)}, at most ${rounded(rates.length ? most : 0)}`,
      );
    },
  };
}

function makeTile(title, value) {
  const line = spark(title, value);
  const note = h("p", { class: "muted small" });
  const element = h("div", { class: "tile" }, h("h3", {}, title), line.element, note);
  return {
    element,
    update({ samples, words }) {
      line.update(samples);
      text(note, words);
    },
  };
}

const tiles = new Keyed(byId("tiles"), (item) => makeTile(item.title, item.value));

const rejectionRows = new Keyed(byId("rejection-rows"), () => {
  const { element, cells } = row([["Reason"], ["At"], ["In all", "number"], ["Last minute", "number"]]);
  return {
    element,
    update({ reason, node, total, recent }) {
      [reason, `node ${node}`, number(total), number(recent)].forEach((words, at) => text(cells[at], words));
    },
  };
});

const mailRows = new Keyed(byId("mail-list"), () => {
  const element = h("li");
  return { element, update: (words) => text(element, words) };
});

const OF_CLIENTS = ["put", "get", "delete", "list"];

// How many requests of clients a node has answered, and in how many seconds all in all; null if it does not count.
function answeredIn(totals) {
  if (!totals) return null;
  const sum = { count: 0, seconds: 0 };
  for (const operation of OF_CLIENTS) {
    for (const { count, seconds } of Object.values(totals.requests[operation] ?? {})) {
      sum.count += count;
      sum.seconds += seconds;
    }
  }
  return sum;
}

// How long requests took on average in the last minute.
function meanOf(samples) {
  const before = answeredIn(samples[0]?.totals);
  const after = answeredIn(samples.at(-1)?.totals);
  if (!before || !after || after.count <= before.count) return "";
  const milliseconds = (1000 * (after.seconds - before.seconds)) / (after.count - before.count);
  return `, ${milliseconds < 10 ? milliseconds.toFixed(1) : number(Math.round(milliseconds))} ms on average`;
}

const rejectedIn = (totals) => Object.values(totals.rejected).reduce((sum, times) => sum + times, 0);

function rejections(cluster) {
  const items = [];
  for (const watched of cluster.speaking) {
    const now = watched.status.totals?.rejected ?? {};
    const before = watched.samples[0]?.totals?.rejected ?? {};
    for (const [reason, total] of Object.entries(now)) {
      if (total === 0) continue;
      const item = {
        reason: reason.replaceAll("_", " "),
        node: watched.status.id,
        total,
        recent: total - (before[reason] ?? 0),
      };
      items.push([`${watched.status.id} ${reason}`, item]);
    }
  }
  return items;
}

export function render(cluster) {
  const primary = cluster.speaking.find((watched) => watched.status.id === cluster.primary);
  const counted = primary ?? cluster.speaking[0];
  const items = [];
  if (counted) {
    const { id, commit, keys } = counted.status;
    const words = `Applied at node ${id}: ${number(commit)}; keys: ${number(keys)}`;
    items.push(["writes", { title: "Writes/s", samples: counted.samples, words }]);
  }
  for (const watched of cluster.speaking) {
    if (!watched.status.totals) continue;
    const { id, totals } = watched.status;
    const value = (sample) => answeredIn(sample.totals)?.count ?? null;
    const answered = `${number(answeredIn(totals).count)} answered${meanOf(watched.samples)}`;
    const words = `${answered}; ${number(rejectedIn(totals))} turned away`;
    items.push([`node ${id}`, { title: `Requests/s, node ${id}`, samples: watched.samples, value, words }]);
  }
  tiles.update(items);
  const rejected = rejections(cluster);
  rejectionRows.update(rejected);
  byId("rejections").hidden = rejected.length === 0;
  const counts = cluster.speaking.some((watched) => watched.status.totals);
  text(byId("rejections-none"), counts ? "None since the nodes started." : "These nodes do not count them.");
  byId("rejections-none").hidden = rejected.length > 0;
  const mail = cluster.speaking.flatMap((watched) =>
    watched.status.mail
      .filter((each) => each.bytes >= MUCH_MAIL)
      .map((each) => [
        `${watched.status.id} ${each.address}`,
        `${bytes(each.bytes)} at node ${watched.status.id} for ${each.address}`,
      ]),
  );
  mailRows.update(mail);
  byId("mail-none").hidden = mail.length > 0;
}
