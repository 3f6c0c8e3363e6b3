// Watches the node that served this page and the members of its view, and shows what they say.

import { Cluster } from "./cluster.js";
import { ago, attribute, byId, duration, text } from "./dom.js";
import * as data from "./data.js";
import * as events from "./events.js";
import * as members from "./members.js";
import { hasToken, onUnauthorized, placesOf, setToken } from "./net.js";
import { Watched } from "./poll.js";
import * as rates from "./rates.js";
import * as settings from "./settings.js";
import * as state from "./state.js";
import * as waiting from "./waiting.js";

const MOST = 64;
const own = new Watched([""], changed);
const others = new Map();
let paused = false;
let drawing = false;

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
  const now = [own, ...others.values()]
    .map((watched) => `${watched.status?.epoch} ${watched.status?.status}`)
    .join();
  if (views !== now && views !== "") {
    for (const watched of others.values()) if (watched.problem) watched.now();
  }
  views = now;
}

// Make room for a member of the own node's view: others may name members that there are not.
function forgetOne() {
  const named = new Set(own.status.view.map((member) => member.address));
  for (const [address, watched] of others) {
    if (named.has(address)) continue;
    watched.stop();
    return others.delete(address);
  }
  return false;
}

// Everybody whom a node that speaks takes for a member; those of before go on to be watched.
function watchMembers() {
  for (const watched of [own, ...others.values()]) {
    for (const member of watched.status?.view ?? []) {
      if (member.id === own.status?.id || others.has(member.address)) continue;
      if (others.size >= MOST && !(watched === own && forgetOne())) continue;
      const other = new Watched(placesOf(member.address), changed);
      others.set(member.address, other);
      if (!paused && !document.hidden) other.start();
    }
  }
}

function draw() {
  const cluster = new Cluster(own, others);
  drawHeader();
  state.render(cluster);
  members.render(cluster);
  waiting.render(cluster);
  rates.render(cluster);
  events.render(cluster);
  settings.render(own.status);
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
  const version = own.status
    ? ` · version ${own.status.version} · up for ${duration(own.status.uptime_s * 1000)}`
    : "";
  const silence = own.silence === null ? "It was never heard." : `Last heard ${ago(own.silence)} ago.`;
  if (paused) text(words, `Paused. ${silence}`);
  else if (own.asks) text(words, "This node wants a token.");
  else if (own.problem) text(words, `This node does not answer (${own.problem}). ${silence} Asking again …`);
  else if (own.status) text(words, own.silence > 2500 ? silence : `Live${version}`);
  attribute(words, "class", own.problem && !own.asks ? "trouble" : "muted");
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
  let cameFrom = null;
  onUnauthorized((code, wanted) => {
    const words =
      code === 403
        ? "This token is not enough for what was asked."
        : hasToken()
          ? "The node does not take this token."
          : "The node asks who you are.";
    text(byId("token-why"), words);
    const asked = !form.hidden;
    form.hidden = false;
    if (wanted) {
      cameFrom = document.activeElement;
      byId("token").focus();
      // Nobody is drawn away from what is being done elsewhere.
    } else if (!asked && document.activeElement === document.body) byId("token").focus();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    setToken(byId("token").value.trim());
    byId("token").value = "";
    form.hidden = true;
    watch(!paused);
    const back = data.isToRepeat() ? byId("repeat") : cameFrom;
    cameFrom = null;
    back?.focus();
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
