// How much goes on: differences of what the nodes count, a second apart, as numbers and small lines.

import { Keyed, attribute, byId, bytes, duration, h, number, row, svg, text } from "./dom.js";

const WIDTH = 120;
const HEIGHT = 28;
const SECONDS = 60;
// Below it, it is what is sent in a moment.
const MUCH_MAIL = 65_536;

// The rate between each two samples that follow each other, by what `value` finds in them.
function ratesOf(samples, value = (sample) => sample.applied) {
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
export function spark(title) {
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
    update(samples, stale = false, value = undefined) {
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

// A tile says one thing, and of which time.
function makeTile() {
  const title = h("h3");
  const figure = h("p", { class: "figure" });
  const period = h("p", { class: "muted small" });
  return {
    element: h("div", { class: "tile" }, title, figure, period),
    update(item) {
      text(title, item.title);
      text(figure, item.figure);
      text(period, item.period);
    },
  };
}

const tiles = new Keyed(byId("tiles"), makeTile);

const nodeRows = new Keyed(byId("request-rows"), () => {
  const { element, cells } = row([
    ["Node"],
    ["Requests/s, now", "spark-cell"],
    ["Time on average", "number"],
    ["Answered since start", "number"],
    ["Turned away since start", "number"],
  ]);
  const line = spark("Requests per second");
  cells[1].append(line.element);
  return {
    element,
    update({ id, samples, totals }) {
      text(cells[0], `Node ${id}`);
      line.update(samples, false, (sample) => answeredIn(sample.totals)?.count ?? null);
      text(cells[2], averageOf(meanOf([samples])));
      text(cells[3], number(answeredIn(totals).count));
      text(cells[4], number(rejectedIn(totals)));
    },
  };
});

const rejectionRows = new Keyed(byId("rejection-rows"), () => {
  const { element, cells } = row([["Reason"], ["At"], ["Since start", "number"], ["Lately", "number"]]);
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

// How long requests took on average while these samples were taken, in milliseconds; null if there were none.
function meanOf(all) {
  const sum = { count: 0, seconds: 0 };
  for (const samples of all) {
    const before = answeredIn(samples[0]?.totals);
    const after = answeredIn(samples.at(-1)?.totals);
    if (!before || !after || after.count <= before.count) continue;
    sum.count += after.count - before.count;
    sum.seconds += after.seconds - before.seconds;
  }
  return sum.count === 0 ? null : (1000 * sum.seconds) / sum.count;
}

const averageOf = (mean) => (mean === null ? "–" : mean < 10 ? `${mean.toFixed(1)} ms` : duration(mean));

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

// What is counted at several nodes, per second, now; null where nobody counts it yet.
function nowOf(all, value) {
  const rates = all.map((samples) => ratesOf(samples, value).at(-1)?.rate).filter((rate) => rate !== undefined);
  return rates.length ? rates.reduce((sum, rate) => sum + rate, 0) : null;
}

// The samples go back a minute at most, and less where the page, or the node, has not been there for so long.
function periodOf(all) {
  const seconds = all.map((samples) => (performance.now() - (samples[0]?.at ?? performance.now())) / 1000);
  const longest = Math.round(Math.max(0, ...seconds));
  return longest >= SECONDS - 2 ? "last minute" : `last ${longest} s`;
}

function tilesOf(cluster, counting) {
  const primary = cluster.speaking.find((watched) => watched.status.id === cluster.primary);
  const counted = primary ?? cluster.speaking[0];
  const items = [];
  const shown = (rate) => (rate === null ? "–" : rounded(rate));
  if (counted) {
    const { id, commit, keys } = counted.status;
    items.push(["keys", { title: "Keys", figure: number(keys), period: `now, at node ${id}` }]);
    items.push(["all", { title: "Writes in all", figure: number(commit), period: "since the store began" }]);
    const writes = nowOf([counted.samples]);
    items.push(["writes", { title: "Writes/s", figure: shown(writes), period: "now, all nodes together" }]);
  }
  if (counting.length) {
    const samples = counting.map((watched) => watched.samples);
    const requests = nowOf(samples, (sample) => answeredIn(sample.totals)?.count ?? null);
    const period = "now, at the nodes that are heard";
    items.push(["requests", { title: "Requests/s", figure: shown(requests), period }]);
    const mean = averageOf(meanOf(samples));
    items.push(["mean", { title: "Time of a request", figure: mean, period: `average of the ${periodOf(samples)}` }]);
  }
  return items;
}

export function render(cluster) {
  const counting = cluster.speaking.filter((watched) => watched.status.totals);
  tiles.update(tilesOf(cluster, counting));
  nodeRows.update(
    counting.map(({ status, samples }) => [status.id, { id: status.id, totals: status.totals, samples }]),
  );
  const period = periodOf(cluster.speaking.map((watched) => watched.samples));
  for (const words of document.querySelectorAll(".period")) text(words, period);
  byId("requests-box").hidden = counting.length === 0;
  const rejected = rejections(cluster);
  rejectionRows.update(rejected);
  byId("rejections").hidden = rejected.length === 0;
  const heard = cluster.speaking.length > 0;
  let none = "Nothing is known yet.";
  if (heard) none = counting.length ? "None since the nodes started." : "These nodes do not count them.";
  text(byId("rejections-none"), none);
  text(byId("mail-none"), heard ? "Less than 64 KiB for each peer." : "Nothing is known yet.");
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
