// Elements, texts and numbers. Whatever comes from a node becomes a text node or an attribute, never markup.

export const byId = (id) => document.getElementById(id);

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false)
      element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

export const h = (tag, attributes = {}, ...children) =>
  fill(document.createElement(tag), attributes, children);
export const svg = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS(SVG, tag), attributes, children);

// What did not change is left alone: selections stay, and screen readers are not told the same again.
export function text(element, words) {
  const wanted = String(words);
  if (element.textContent !== wanted) element.textContent = wanted;
}

export function attribute(element, name, value) {
  if (value === null || value === false) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

// Children of a parent that are kept by key, in the order of the items.
export class Keyed {
  constructor(parent, make) {
    this.parent = parent;
    this.make = make;
    this.known = new Map();
  }

  update(items) {
    const seen = new Set();
    let at = this.parent.firstElementChild;
    for (const [key, item] of items) {
      let entry = this.known.get(key);
      if (!entry) {
        entry = this.make(item);
        this.known.set(key, entry);
      }
      seen.add(key);
      entry.update(item);
      if (entry.element === at) at = at.nextElementSibling;
      else this.parent.insertBefore(entry.element, at);
    }
    for (const [key, entry] of this.known) {
      if (!seen.has(key)) {
        entry.element.remove();
        this.known.delete(key);
      }
    }
  }
}

export function row(labels, rowHeader = true) {
  const cells = labels.map(([label, kind], index) =>
    index === 0 && rowHeader
      ? h("th", { role: "rowheader", scope: "row", "data-label": label, class: kind })
      : h("td", { role: "cell", "data-label": label, class: kind }),
  );
  return { element: h("tr", { role: "row" }, ...cells), cells };
}

// A badge says in words and by a mark what its colour says.
const MARKS = { ok: "✓", warn: "!", bad: "✕", wait: "…" };

export function badge() {
  const mark = h("span", { class: "mark", "aria-hidden": "true" });
  const words = h("span");
  const element = h("span", { class: "badge" }, mark, words);
  return {
    element,
    update(kind, label) {
      attribute(element, "class", `badge ${kind}`);
      text(mark, MARKS[kind]);
      text(words, label);
    },
  };
}

export const markOf = (kind) => MARKS[kind];

// Never longer than it was. Nodes say it alike (`lasting` in pbproto/status.py).
export function duration(milliseconds) {
  const whole = Math.max(0, Math.floor(milliseconds));
  const seconds = Math.floor(whole / 1000);
  if (seconds < 1) return `${whole} ms`;
  if (seconds < 10) return `${seconds}.${Math.floor(whole / 100) % 10} s`;
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`;
}

// Whole seconds, for what is told each second.
export const ago = (milliseconds) =>
  milliseconds < 10_000 ? `${Math.max(1, Math.round(milliseconds / 1000))} s` : duration(milliseconds);

const NUMBER = new Intl.NumberFormat("en");
export const number = (value) => (typeof value === "number" ? NUMBER.format(value) : String(value));

export function bytes(size) {
  if (size < 1024) return `${size} bytes`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let value = size;
  let at = -1;
  do {
    value /= 1024;
    at += 1;
  } while (value >= 1024 && at < units.length - 1);
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[at]}`;
}

export function clock(iso) {
  const date = new Date(iso);
  const two = (part) => String(part).padStart(2, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

export const sentence = (words) => `${words[0].toUpperCase()}${words.slice(1)}.`;

export const count = (n, one, many) => `${number(n)} ${n === 1 ? one : many}`;

// Cut between characters, never within one.
export const shortened = (words, most) => {
  const points = Array.from(words.slice(0, 2 * most));
  return points.length > most ? `${points.slice(0, most).join("")}…` : words;
};

// Whoever clicks sees what comes of it; whoever is asked for a token meanwhile stays there.
export function inSight(element) {
  if (document.activeElement !== byId("token")) element.scrollIntoView({ block: "nearest" });
}

let said = "";
let saidAt = -Infinity;

// To screen readers, politely: what matters and is new, and not more often than one can listen.
export function announce(words) {
  const now = performance.now();
  if (words === said || now - saidAt < 2000) return;
  said = words;
  saidAt = now;
  text(byId("announce"), words);
}
