// Read, write and delete keys at the node that served this page.

import { attribute, byId, bytes, h, inSight, shortened, text } from "./dom.js";
import * as find from "./find.js";
import { parse, problemOf, send } from "./net.js";

const PREVIEW = 160;
const PATIENCE = 30_000;

const key = byId("key");
const value = byId("value");
const outcome = byId("outcome");
const repeat = byId("repeat");

const pathOf = (name) => `data/${encodeURIComponent(name)}`;

// A text field changes line ends. What was put there and not edited since is used as it was.
const exact = new Map();

function show(field, words) {
  field.value = words;
  exact.set(field, { shown: field.value, words });
}

function wordsOf(field) {
  const known = exact.get(field);
  return known?.shown === field.value ? known.words : field.value;
}

const CHANGED = "A text field cannot hold all of its line ends: they are kept as long as you do not edit it.";
const changedBy = (field) => (wordsOf(field) === field.value ? "" : CHANGED);

// In a path these mean "here" and "above", also when they are escaped (URL standard, "double-dot path segment").
const nameless = () => wordsOf(key) === "." || wordsOf(key) === "..";

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
  if (kind !== "wait") inSight(outcome);
}

// The same where the token is asked for: whoever gives it sees what for.
function sayAsked(words) {
  say("warn", words);
  text(byId("token-why"), words);
}

// The same name for the same request, however often it is sent: then it takes effect once.
function freshName() {
  const random = crypto.getRandomValues(new Uint8Array(16));
  return `ui-${Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

let again = null;

// Whether a request was not carried out, and can be sent again.
export const isToRepeat = () => again !== null;

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
      wanted: true,
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
    if (request.method === "DELETE" && wordsOf(key) === request.key) show(value, "");
    say(
      response.ok ? "ok" : "warn",
      `${done}. Msg-Num ${response.headers.get("msg-num")}: its place among all writes, counted from 0.`,
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
  } else if (problem.asks) {
    sayAsked(`${request.method === "PUT" ? "Not written" : "Not deleted"}: ${problem.detail}.`);
    offer(request);
  } else {
    say("bad", `Refused (${response.status}): ${problem.detail}.`);
  }
}

async function readKey() {
  offer(null);
  say("wait", "Reading …");
  let response;
  try {
    response = await send(pathOf(wordsOf(key)), { patience: PATIENCE, wanted: true });
  } catch (error) {
    say("warn", `No answer: ${error.message}.`);
    return;
  }
  const position = response.headers.get("msg-num");
  if (response.ok) {
    const words = parse(await response.text()).value;
    show(value, words);
    const size = bytes(new TextEncoder().encode(words).length);
    say("ok", `Read. Msg-Num ${position}: the value as of that many writes.`, `${size}. ${changedBy(value)}`);
  } else if (response.status === 404) {
    // What was read of another key is not the value of this one; what somebody has typed is kept.
    if (exact.get(value)?.shown === value.value) show(value, "");
    say("warn", `There is no such key. Msg-Num ${position}.`);
  } else {
    const problem = await problemOf(response);
    if (problem.asks) sayAsked(`Not read: ${problem.detail}.`);
    else say("bad", `Not read (${response.status}): ${problem.detail}.`);
  }
}

function setUpKey() {
  byId("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (usable()) readKey();
  });
  byId("write").addEventListener("click", () => {
    if (!usable()) return;
    const body = JSON.stringify({ value: wordsOf(value) });
    change({ method: "PUT", key: wordsOf(key), body, name: freshName() });
  });
  byId("delete").addEventListener("click", () => {
    if (!usable()) return;
    text(byId("confirm-words"), shortened(wordsOf(key), 400));
    byId("confirm").showModal();
  });
  byId("confirm-no").addEventListener("click", () => byId("confirm").close());
  byId("confirm-yes").addEventListener("click", () => {
    byId("confirm").close();
    change({ method: "DELETE", key: wordsOf(key), name: freshName() });
  });
  repeat.addEventListener("click", () => {
    if (again !== null) change(again);
  });
}

export function setUp(keys) {
  setUpKey();
  find.setUp(keys, (pair) => {
    show(key, pair[0]);
    show(value, pair[1]);
    say("ok", "As it was listed. Read it to see whether it has changed since.");
    key.focus();
  });
}
