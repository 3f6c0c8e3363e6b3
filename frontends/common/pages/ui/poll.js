// One node that is watched: asked each second, less often while it is silent, not at all while nobody looks.

import { read } from "./net.js";
import { isStatus, isWhy } from "./shape.js";

const PERIOD = 1000;
const LONGEST = 5000;
const KEPT_EVENTS = 400;
const KEPT_SAMPLES = 61;

export class Watched {
  // `bases`: where its paths may begin; an empty one for the node that served the page.
  constructor(bases, changed) {
    this._bases = bases;
    this._found = false; // whether a node has answered below the first of them
    this.status = null;
    this.why = null;
    this.hidden = false; // whether what waits is shown to others only
    this.events = [];
    this.samples = [];
    this.heardAt = null;
    this.problem = "";
    // Whether it answers, and wants a token first.
    this.asks = false;
    this._changed = changed;
    this._failures = 0;
    this._timer = 0;
    this._running = false;
    this._asking = false;
    this._last = 0;
  }

  start() {
    if (this._running) return;
    this._running = true;
    if (!this._asking) this._round(); // else the round that is under way goes on
  }

  stop() {
    this._running = false;
    clearTimeout(this._timer);
  }

  now() {
    this._failures = 0;
    if (this._running && !this._asking) {
      clearTimeout(this._timer);
      this._round();
    }
  }

  get base() {
    return this._bases[0];
  }

  get silence() {
    return this.heardAt === null ? null : performance.now() - this.heardAt;
  }

  get speaks() {
    return this.problem === "" && this.status !== null;
  }

  async _round() {
    this._asking = true;
    try {
      await this._ask();
      this._failures = 0;
      this._found = true;
      this.problem = "";
      this.asks = false;
    } catch (error) {
      this._failures += 1;
      this.problem = error.message;
      this.asks = error.answer?.status === 401;
      this.why = null;
      this._found ||= this.asks;
      if (!this._found) this._bases = [...this._bases.slice(1), this._bases[0]];
    }
    this._asking = false;
    if (!this._running) return;
    this._changed();
    const pause = this._failures ? Math.min(LONGEST, PERIOD * 2 ** (this._failures - 1)) : PERIOD;
    this._timer = setTimeout(() => this._round(), pause);
  }

  async _ask() {
    let status = await read(`${this.base}status?since=${this._last}`, isStatus);
    if (this.status !== null && status.incarnation !== this.status.incarnation) {
      // Another life counts anew: ask for all of its events.
      this.samples = [];
      if (this._last > 0) status = await read(`${this.base}status?since=0`, isStatus);
    }
    this._take(status);
    const waiting = status.waiting;
    this.hidden = false;
    if (waiting.requests + waiting.parked + waiting.uncommitted > 0) await this._askWhy();
    else this.why = null;
  }

  async _askWhy() {
    try {
      this.why = await read(`${this.base}why`, isWhy, { quiet: true });
    } catch (error) {
      // A token that is good for how the node is need not be good for keys.
      if (error.answer?.status !== 403) throw error;
      this.why = null;
      this.hidden = true;
    }
  }

  _take(status) {
    this.status = status;
    this.heardAt = performance.now();
    this._last = status.events.last;
    for (const event of status.events.list) {
      // Its key is made by the page (events.js): that of another node's event would hide it.
      this.events.push({ ...event, key: undefined, node: status.id, life: status.incarnation });
    }
    this.events.splice(0, this.events.length - KEPT_EVENTS);
    this.samples.push({ at: this.heardAt, applied: status.commit, totals: status.totals });
    this.samples.splice(0, this.samples.length - KEPT_SAMPLES);
  }
}
