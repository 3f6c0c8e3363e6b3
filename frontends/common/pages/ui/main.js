// Watches the node that served this page and the members of its view, and shows what they say.

import { Keyed, ago, announce, attribute, byId, bytes, count, duration, h, markOf, number, text } from "./dom.js";
import * as data from "./data.js";
import * as events from "./events.js";
import * as members from "./members.js";
import { hasToken, onUnauthorized, setToken } from "./net.js";
import { Watched } from "./poll.js";
import * as rates from "./rates.js";
import * as waiting from "./waiting.js";

const MOST = 64;
const own = new Watched("", changed);
const others = new Map();
let paused = false;
let drawing = false;

// What is known of the cluster at this moment, for whoever draws a part of it.
class Cluster {
  constructor() {
    this.all = [own, ...others.values()];
    this.speaking = this.all.filter((watched) => watched.speaks);
    const best = this._best();
    this.status = best;
    this.primary = best?.primary ?? null;
    // Those who know the newest view. A primary that was replaced and not told suspects everybody for ever.
    this.current = this.speaking.filter((watched) => sameView(watched.status, best));
    const inView = best?.view ?? [];
    const listed = new Map(inView.map((member) => [member.address, { ...member, inView: true }]));
    for (const member of own.status?.view ?? []) {
      if (!listed.has(member.address)) listed.set(member.address, { ...member, inView: false });
    }
    for (const [address, watched] of others) {
      if (!listed.has(address) && watched.status) listed.set(address, { id: watched.status.id, address, inView: false });
    }
    const itself = own.status;
    if (itself && ![...listed.values()].some((member) => member.id === itself.id)) {
      listed.set(location.host, { id: itself.id, address: location.host, inView: false });
    }
    this.members = [...listed.values()].map((member) => ({ ...member, own: itself !== null && member.id === itself.id }));
    this.members.sort((one, other) => other.inView - one.inView || Number(one.id) - Number(other.id));
  }

  // Whoever knows the newest view; of several the one that serves it.
  _best() {
    const rank = (status) => [status.epoch ?? 0, status.status === "active" ? 1 : 0];
    return this.speaking
      .map((watched) => watched.status)
      .sort((one, other) => rank(other)[0] - rank(one)[0] || rank(other)[1] - rank(one)[1])[0] ?? own.status;
  }

  watchedAt(address) {
    const member = this.members.find((each) => each.address === address);
    return member?.own ? own : others.get(address);
  }
}

const membersOf = (status) => status.view.map((member) => `${member.id} ${member.address}`).join();
const sameView = (one, other) => one.epoch === other.epoch && membersOf(one) === membersOf(other);

function changed() {
  watchMembers();
  wakeUp();
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    draw();
  });
}

let views = "";

// A view has changed: whoever was silent before may be back.
function wakeUp() {
  const now = [own, ...others.values()].map((watched) => `${watched.status?.epoch} ${watched.status?.status}`).join();
  if (views !== now && views !== "") {
    for (const watched of others.values()) if (watched.problem) watched.now();
  }
  views = now;
}

// Everybody whom a node that speaks takes for a member; those of before go on to be watched.
function watchMembers() {
  for (const watched of [own, ...others.values()]) {
    for (const member of watched.status?.view ?? []) {
      if (member.id === own.status?.id || others.has(member.address) || others.size >= MOST) continue;
      const other = new Watched(`${location.protocol}//${member.address}/`, changed);
      others.set(member.address, other);
      if (!paused && !document.hidden) other.start();
    }
  }
}

function draw() {
  const cluster = new Cluster();
  drawHeader(cluster);
  drawBanner(cluster);
  drawLosses(cluster);
  members.render(cluster);
  waiting.render(cluster);
  rates.render(cluster);
  events.render(cluster);
  drawSettings(own.status);
}

function drawHeader() {
  const { status } = own;
  if (status) {
    text(byId("who"), `node ${status.id}`);
    document.title = `node ${status.id} · pbproto`;
  }
  drawHeard();
  byId("forget").hidden = !hasToken();
}

function drawHeard() {
  const words = byId("heard");
  const version = own.status ? ` · version ${own.status.version} · up for ${duration(own.status.uptime_s * 1000)}` : "";
  const silence = own.silence === null ? "It was never heard." : `Last heard ${ago(own.silence)} ago.`;
  if (paused) text(words, `Paused. ${silence}`);
  else if (own.problem) text(words, `This node does not answer (${own.problem}). ${silence} Asking again …`);
  else if (own.status) text(words, own.silence > 2500 ? silence : `Live${version}`);
  attribute(words, "class", own.problem ? "trouble" : "muted");
}

function judge(cluster) {
  const { status } = cluster;
  if (!own.speaks && cluster.speaking.length === 0) {
    return own.status === null && own.problem === ""
      ? ["wait", "Asking …", []]
      : ["bad", `The node that serves this page cannot be heard: ${own.problem}.`, ["What stands below is as it was heard last."]];
  }
  const more = [];
  if (!own.speaks) more.push(`The node that serves this page cannot be heard: ${own.problem}.`);
  if (status.status === "none") return ["warn", "This node has not been told a view: it serves nobody.", more];
  const size = count(status.view.length, "member", "members");
  const epoch = status.epoch === null ? "The told view" : `The view of epoch ${status.epoch}`;
  for (const each of cluster.current) {
    for (const wait of each.status.waiting_for) more.push(`Node ${each.status.id} waits for node ${wait.id}: ${wait.reason}.`);
  }
  const silent = cluster.members.filter((member) => member.inView && !cluster.watchedAt(member.address)?.speaks);
  const lost = silent.filter((member) => cluster.watchedAt(member.address)?.problem);
  if (status.blocked) return ["bad", `${epoch} cannot be installed: ${status.blocked}.`, more];
  if (status.view.length === 0) return ["warn", `${epoch} is empty: nobody serves.`, more];
  if (status.status === "outside") return ["warn", `This node is not in ${epoch.toLowerCase()}, of ${size}.`, more];
  if (status.status !== "active") return ["warn", `${epoch}, of ${size}, is being installed.`, more];
  const suspected = cluster.current.flatMap((each) => each.status.backups.filter((backup) => backup.suspected));
  if (suspected.length) {
    const whom = suspected.map((backup) => `node ${backup.id}`).join(", ");
    const what = status.reads === "lease" ? "writes" : "writes and reads";
    return ["bad", `${epoch} is active, but ${what} wait for ${whom}.`, more];
  }
  const deserted = cluster.current.some((each) => each.status.waiting_for.some((wait) => wait.id === status.primary));
  if (deserted) return ["bad", `${epoch} is active, but its primary, node ${status.primary}, is silent.`, more];
  if (lost.length) {
    more.push(`This browser cannot hear ${lost.map((member) => `node ${member.id}`).join(", ")}; the table says what others know.`);
    return ["warn", `${epoch} is active: node ${status.primary} leads ${size}.`, more];
  }
  return more.length ? ["warn", `${epoch} is active: node ${status.primary} leads ${size}.`, more]
    : ["ok", `${epoch} is active: node ${status.primary} leads ${size}.`, more];
}

const reasons = new Keyed(byId("banner-more"), () => {
  const element = h("li");
  return { element, update: (words) => text(element, words) };
});

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
  const hint = byId("origin-hint");
  const away = own.status !== null && own.status.view.length > 0 && !own.status.view.some((each) => each.address === location.host);
  const deaf = [...others.values()].some((watched) => watched.problem && watched.status === null);
  hint.hidden = !(away && deaf);
  if (!hint.hidden) {
    text(hint, `The members answer pages of members only. This one was opened at ${location.host}, which is no member's address: open it at ${own.status.view.map((each) => each.address).slice(0, 3).join(" or ")}.`);
  }
}

const losses = new Keyed(byId("loss-list"), () => {
  const element = h("li");
  return { element, update: (words) => text(element, words) };
});

function drawLosses(cluster) {
  const found = new Map();
  for (const watched of cluster.all) {
    for (const loss of watched.status?.dropped ?? []) {
      const words = `Positions ${number(loss.from)} to ${number(loss.to - 1)} of the log of node ${loss.id}: ${count(loss.to - loss.from, "operation", "operations")}.`;
      found.set(`${loss.id} ${loss.from} ${loss.to}`, words);
    }
  }
  losses.update([...found]);
  byId("losses").hidden = found.size === 0;
}

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

function drawSettings(status) {
  if (!status) return;
  const onlyLeases = (name) => name === "lease" || name === "clock_drift";
  const facts = Object.entries(status.settings)
    .filter(([name]) => status.reads === "lease" || !onlyLeases(name))
    .map(([name, value]) => [name.replaceAll("_", " "), inUnits(name, value)]);
  facts.push(["incarnation", status.incarnation], ["log kept", `${number(status.log.end - status.log.start)} operations`]);
  settings.update(facts.map((fact) => [fact[0], fact]));
}

function watch(running) {
  for (const watched of [own, ...others.values()]) {
    if (running) {
      watched.start();
      watched.now();
    } else {
      watched.stop();
    }
  }
}

function setUpTools() {
  const theme = byId("theme");
  const root = document.documentElement;
  try {
    theme.value = localStorage.getItem("pbproto-theme") ?? "auto";
  } catch {
    theme.value = "auto";
  }
  root.dataset.theme = theme.value;
  theme.addEventListener("change", () => {
    root.dataset.theme = theme.value;
    try {
      localStorage.setItem("pbproto-theme", theme.value);
    } catch {
      // It lasts as long as the page.
    }
  });
  byId("pause").addEventListener("click", () => {
    paused = !paused;
    attribute(byId("pause"), "aria-pressed", paused);
    text(byId("pause"), paused ? "Go on" : "Pause");
    watch(!paused && !document.hidden);
    draw();
  });
  document.addEventListener("visibilitychange", () => watch(!paused && !document.hidden));
  byId("serious").addEventListener("change", draw);
}

function setUpToken() {
  const form = byId("token-form");
  onUnauthorized((code) => {
    const words = code === 403 ? "This token is not enough for what was asked." : hasToken()
      ? "The node does not take this token." : "The node asks who you are.";
    text(byId("token-why"), words);
    form.hidden = false;
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    setToken(byId("token").value.trim());
    byId("token").value = "";
    form.hidden = true;
    watch(!paused);
  });
  byId("forget").addEventListener("click", () => {
    setToken("");
    watch(!paused);
    draw();
  });
}

setUpTools();
setUpToken();
data.setUp(() => own.status?.keys ?? null);
own.start();
setInterval(() => {
  if (!document.hidden) drawHeard();
}, 1000);
