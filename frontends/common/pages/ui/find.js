// Find keys in the listing of the store, as far as it is worth loading.

import { Keyed, byId, bytes, count, h, inSight, number, shortened, text } from "./dom.js";
import { beginning, pairsOf } from "./listing.js";
import { Failure, problemOf, send } from "./net.js";

const FIRST_BYTES = 4 * 2 ** 20;
const PAGE = 100;
const PREVIEW = 160;
const PATIENCE = 30_000;

let openPair = () => {};

const found = new Keyed(byId("found"), () => {
  const open = h("button", { type: "button", class: "link" });
  const preview = h("td", { role: "cell" });
  const element = h("tr", { role: "row" }, h("th", { role: "rowheader", scope: "row" }, open), preview);
  let item = null;
  open.addEventListener("click", () => openPair(item));
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
    const response = await send("data", { patience: PATIENCE, signal: abort.signal, wanted: true });
    if (!response.ok) throw new Failure((await problemOf(response)).detail);
    const { words, size, whole } = await beginning(response, search.limit);
    Object.assign(search, { pairs: pairsOf(words), size, whole });
    search.pairs.sort((one, other) => (one[0] < other[0] ? -1 : 1));
    showFound();
    inSight(byId("find-box").hidden ? byId("find-status") : byId("find-box"));
  } catch (error) {
    if (!abort.signal.aborted) text(byId("find-status"), `Not loaded: ${error.message}.`);
  }
}

// `keys`: how many there are, if that is known; `open`: what to do with a pair that somebody has chosen.
export function setUp(keys, open) {
  keysInAll = keys;
  openPair = open;
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
