// Requests to nodes: with the token of this tab, with an end, and with errors that say what was the matter.

import { beginning } from "./listing.js";

const TOKEN = "pbproto-token";
const PATIENCE = 2000;
const MOST_BYTES = 4 * 2 ** 20; // of what a node says of itself, many times over

// The page of a node in an application is below a prefix. Views name no paths: those of other members are taken to
// begin at the same one, or at the root, as those of plain nodes do.
const PREFIX = new URL(".", location.href).pathname;
export const placeOf = (address, prefix = PREFIX) => `${location.protocol}//${address}${prefix}`;
export const placesOf = (address) => [...new Set([placeOf(address), placeOf(address, "/")])];

// A page may be shown where storage is forbidden: then the token lives as long as the page.
let token = "";
try {
  token = sessionStorage.getItem(TOKEN) ?? "";
} catch {
  token = "";
}

export const hasToken = () => token !== "";

export function setToken(text) {
  token = text;
  try {
    if (text) sessionStorage.setItem(TOKEN, text);
    else sessionStorage.removeItem(TOKEN);
  } catch {
    // It is kept in the variable.
  }
}

let whenAsked = () => {};

// What to do when a node wants to know who is asking.
export function onUnauthorized(handler) {
  whenAsked = handler;
}

export class Failure extends Error {
  // `answer` is what came, if anything did.
  constructor(words, answer = null) {
    super(words);
    this.answer = answer;
  }
}

// Ids have up to 63 bits, a JavaScript number 53: what does not fit stays as it was written.
const exact = (_, value, context) =>
  typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value) && context?.source
    ? context.source
    : value;

export const parse = (words) => JSON.parse(words, exact);

// The browser does not say which it was.
const deaf = (url) =>
  url.includes("//")
    ? "it cannot be reached, or takes no questions from pages of this node"
    : "it cannot be reached";

// The response, whatever its status. Throws a Failure where there is none in time. `wanted`: somebody has asked
// for it, and waits.
export async function send(
  url,
  { method = "GET", body, headers = {}, patience = PATIENCE, signal, quiet = false, wanted = false } = {},
) {
  const ends = [AbortSignal.timeout(patience)];
  if (signal) ends.push(signal);
  const all = { ...headers };
  if (token) all.authorization = `Bearer ${token}`;
  if (body !== undefined) all["content-type"] = "application/json";
  let response;
  try {
    response = await fetch(url, {
      method,
      body,
      headers: all,
      signal: AbortSignal.any(ends),
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
      referrerPolicy: "no-referrer",
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    const slow = error.name === "TimeoutError" || error.name === "AbortError";
    throw new Failure(slow ? `no answer within ${Math.round(patience / 1000)} s` : deaf(url));
  }
  if (response.status === 401 || (response.status === 403 && !quiet)) whenAsked(response.status, wanted);
  return response;
}

// The document that a node answers, which has to be what `is` takes it for. Throws a Failure for everything else.
export async function read(url, is, options) {
  const response = await send(url, options);
  let document_;
  let rest = true;
  try {
    const { words, whole } = await beginning(response, MOST_BYTES);
    rest = !whole;
    document_ = parse(words);
  } catch {
    if (!rest) throw new Failure(`its answer (${response.status}) cannot be read`);
  }
  if (rest) throw new Failure("its answer is not what a node says of itself: it does not end");
  if (!response.ok)
    throw new Failure(`${response.status}: ${document_?.detail ?? response.statusText}`, document_);
  if (!is(document_)) throw new Failure("its answer is not what a node says of itself");
  return document_;
}

// What a node says of a request that it did not carry out. `asks`: it takes a token, or another one.
export async function problemOf(response) {
  let problem;
  try {
    problem = parse(await response.text());
  } catch {
    return { detail: "the answer cannot be read", asks: false };
  }
  const detail = problem.detail ?? response.statusText;
  // In the words of the page: the node speaks of headers, which nobody sees here.
  if (response.status === 401)
    return { ...problem, detail: token ? "the node does not take this token" : "the node wants a token first", asks: true };
  return { ...problem, detail, asks: problem.reason === "forbidden" };
}
