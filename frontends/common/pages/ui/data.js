// Find, read, write and delete keys at the node that served this page.

import { Keyed, attribute, byId, bytes, count, h, number, text } from "./dom.js";
import { Failure, parse, send } from "./net.js";
import { beginning, pairsOf } from "./listing.js";

const FIRST_BYTES = 4 * 2 ** 20;
const PAGE = 100;
const PREVIEW = 160;
const PATIENCE = 30_000;

const key = byId("key");
const value = byId("value");
const outcome = byId("outcome");
const repeat = byId("repeat");

const pathOf = (name) => `data/${encodeURIComponent(name)}`;

// In a path these mean "here" and "above", also when they are escaped (URL standard, "double-dot path segment").
const nameless = () => key.value === "." || key.value === "..";

function usable() {
  if (!byId("key-form").reportValidity()) return false;
  if (!nameless()) return true;
  offer(null);
  say("bad", "A browser cannot name this key. Use another client for it.");
  return false;
}

function say(kind, words, more = "") {
  attribute(outcome, "class", `outcome banner ${kind}`);
  outcome.replaceChildren(h("p", {}, words), ...(more ? [h("p", { class: "small" }, more)] : []));
}

// The same name for the same request, however often it is sent: then it takes effect once.
function freshName() {
  const random = crypto.getRandomValues(new Uint8Array(16));
  return `ui-${Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

let again = null;

function offer(request) {
  again = request;
  repeat.hidden = request === null;
}

const DONE = {
  200: { PUT: "Updated", DELETE: "Deleted" },
  201: { PUT: "Created" },
  404: { DELETE: "There was no such key" },
};

async function change(request) {
  offer(null);
  say("wait", `${request.method === "PUT" ? "Writing" : "Deleting"} …`);
  let response;
  try {
    response = await send(pathOf(request.key), {
      method: request.method,
      body: request.body,
      headers: { "idempotency-key": request.name },
      patience: PATIENCE,
    });
  } catch (error) {
    say(
      "warn",
      `Unknown: ${error.message}.`,
      "It may have taken effect, or may yet. To repeat it is safe: it takes effect once.",
    );
    offer(request);
    return;
  }
  const done = DONE[response.status]?.[request.method];
  if (done) {
    say(
      response.ok ? "ok" : "warn",
      `${done}. Msg-Num ${response.headers.get("msg-num")}.`,
      `Key: ${shortened(request.key, PREVIEW)}`,
    );
    return;
  }
  const problem = await problemOf(response);
  if (problem.outcome === "unknown") {
    say(
      "warn",
      `Unknown: ${problem.detail}.`,
      "It may take effect, once. To repeat it is safe: you get the first answer.",
    );
    offer(request);
  } else if (problem.outcome === "not_applied" && response.status === 503) {
    say(
      "warn",
      `Not applied: ${problem.detail}.`,
      "It did not take effect and will not, unless it is sent again.",
    );
    offer(request);
  } else {
    say("bad", `Refused (${response.status}): ${problem.detail}.`);
  }
}

async function problemOf(response) {
  try {
    const problem = parse(await response.text());
    return { ...problem, detail: problem.detail ?? response.statusText };
  } catch {
    return { detail: "the answer cannot be read" };
  }
}

async function readKey() {
  offer(null);
  say("wait", "Reading …");
  let response;
  try {
    response = await send(pathOf(key.value), { patience: PATIENCE });
  } catch (error) {
    say("warn", `No answer: ${error.message}.`);
    return;
  }
  const position = response.headers.get("msg-num");
  if (response.ok) {
    value.value = parse(await response.text()).value;
    const size = new TextEncoder().encode(value.value).length;
    say("ok", `Read. Msg-Num ${position}: the value as of that many writes.`, bytes(size));
  } else if (response.status === 404) {
    say("warn", `There is no such key. Msg-Num ${position}.`);
  } else {
    const problem = await problemOf(response);
    say("bad", `Not read (${response.status}): ${problem.detail}.`);
  }
}

const shortened = (words, most) => {
  const points = Array.from(words.slice(0, 2 * most));
  return points.length > most ? `${points.slice(0, most).join("")}…` : words;
};

function setUpKey() {
  byId("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (usable()) readKey();
  });
  byId("write").addEventListener("click", () => {
    if (!usable()) return;
    const body = JSON.stringify({ value: value.value });
    change({ method: "PUT", key: key.value, body, name: freshName() });
  });
  byId("delete").addEventListener("click", () => {
    if (!usable()) return;
    text(byId("confirm-words"), shortened(key.value, 400));
    byId("confirm").showModal();
  });
  byId("confirm-no").addEventListener("click", () => byId("confirm").close());
  byId("confirm-yes").addEventListener("click", () => {
    byId("confirm").close();
    change({ method: "DELETE", key: key.value, name: freshName() });
  });
  repeat.addEventListener("click", () => {
    if (again !== null) change(again);
  });
}

// The listing.

const found = new Keyed(byId("found"), () => {
  const open = h("button", { type: "button", class: "link" });
  const preview = h("td", { role: "cell" });
  const element = h("tr", { role: "row" }, h("th", { role: "rowheader", scope: "row" }, open), preview);
  let item = null;
  open.addEventListener("click", () => {
    [key.value, value.value] = item;
    say("ok", "As it was listed. Read it to see whether it has changed since.");
    key.focus();
  });
  return {
    element,
    update(pair) {
      item = pair;
      text(open, shortened(pair[0], PREVIEW));
      text(preview, shortened(pair[1], PREVIEW));
    },
  };
});

const search = { pairs: [], shown: PAGE, limit: FIRST_BYTES, size: 0, whole: true };
let searching = null;
let keysInAll = () => null;

function matches() {
  const wanted = byId("find").value;
  return search.pairs.filter(([name]) => name.includes(wanted));
}

function showFound() {
  const all = matches();
  const part = all.slice(0, search.shown);
  found.update(part.map((pair) => [pair[0], pair]));
  byId("find-box").hidden = part.length === 0;
  byId("more-rows").hidden = all.length <= part.length;
  byId("more-bytes").hidden = search.whole;
  const shown = part.length < all.length ? `, the first ${number(part.length)} are shown` : "";
  let words = `${count(all.length, "key", "keys")} found${shown}.`;
  if (!search.whole) {
    const keys = keysInAll();
    const of = keys === null ? "" : ` of ${number(keys)}`;
    words += ` Only the first ${number(search.pairs.length)}${of} keys were looked at (${bytes(search.size)}).`;
    text(byId("more-bytes"), `Load up to ${bytes(search.limit * 8)}`);
  }
  text(byId("find-status"), words);
}

async function load() {
  searching?.abort();
  const abort = (searching = new AbortController());
  text(byId("find-status"), "Loading …");
  try {
    const response = await send("data", { patience: PATIENCE, signal: abort.signal });
    if (!response.ok) throw new Failure((await problemOf(response)).detail);
    const { words, size, whole } = await beginning(response, search.limit);
    Object.assign(search, { pairs: pairsOf(words), size, whole });
    search.pairs.sort((one, other) => (one[0] < other[0] ? -1 : 1));
    showFound();
  } catch (error) {
    if (!abort.signal.aborted) text(byId("find-status"), `Not loaded: ${error.message}.`);
  }
}

export function setUp(keys) {
  keysInAll = keys;
  setUpKey();
  byId("find-form").addEventListener("submit", (event) => {
    event.preventDefault();
    Object.assign(search, { shown: PAGE, limit: FIRST_BYTES });
    load();
  });
  byId("more-rows").addEventListener("click", () => {
    search.shown += PAGE;
    showFound();
  });
  byId("more-bytes").addEventListener("click", () => {
    search.limit *= 8;
    load();
  });
}
