"""What is asked of a page that is shown: whether it can be read, heard, and worked without a mouse."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

_CONTRAST = """() => {
  const parse = (text) => {
    const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number);
    return [r, g, b, a];
  };
  const over = (top, below) => top.slice(0, 3).map((part, at) => part * top[3] + below[at] * (1 - top[3]));
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      layers.push(parse(getComputedStyle(at).backgroundColor));
    }
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    const shown = element.checkVisibility({ visibilityProperty: true });
    if (!own || !shown || element.closest(".hidden, .skip, svg")) continue;
    const style = getComputedStyle(element);
    const below = ground(element);
    const [one, two] = [luminance(over(parse(style.color), below)), luminance(below)].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (two + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const words = element.textContent.trim().slice(0, 40);
    if (ratio < (large ? 3 : 4.5)) found.push([element.tagName, words, ratio]);
  }
  return found;
}"""

_FAULTS = """() => {
  const found = [];
  const named = (element) => element.labels?.length || element.getAttribute("aria-label")
    || element.getAttribute("aria-labelledby") || element.textContent.trim();
  for (const each of document.querySelectorAll("input, textarea, select, progress")) {
    if (!each.labels.length) found.push(`no label: ${each.id}`);
  }
  const speaking = "button, a, [role=region], section, form, dialog, nav, ol[tabindex]";
  for (const each of document.querySelectorAll(speaking)) {
    if (!named(each)) found.push(`no name: ${each.outerHTML.slice(0, 80)}`);
  }
  for (const each of document.querySelectorAll("svg[role=img]")) {
    if (!each.getAttribute("aria-label")) found.push("a picture without words");
  }
  for (const table of document.querySelectorAll("table")) {
    if (!table.caption?.textContent.trim()) found.push("a table without a caption");
    for (const head of table.querySelectorAll("th")) {
      if (!head.scope) found.push(`no scope: ${head.textContent}`);
    }
  }
  const ids = [...document.querySelectorAll("[id]")].map((each) => each.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) found.push(`twice: ${id}`);
  for (const each of document.querySelectorAll("[aria-labelledby], [aria-describedby]")) {
    const lists = ["aria-labelledby", "aria-describedby"].map((name) => each.getAttribute(name) ?? "");
    for (const id of lists.join(" ").trim().split(/\\s+/)) {
      if (!document.getElementById(id)) found.push(`nobody is ${id}`);
    }
  }
  let level = 0;
  for (const head of document.querySelectorAll("h1, h2, h3, h4")) {
    if (head.closest("dialog")) continue;
    const next = Number(head.tagName[1]);
    if (next > level + 1) found.push(`h${next} follows h${level}: ${head.textContent}`);
    level = next;
  }
  if (!document.documentElement.lang || !document.title) found.push("no language or no title");
  if (document.querySelectorAll("main").length !== 1) found.push("not one main part");
  return found;
}"""


def pale(page: Page) -> list[Any]:
    """Texts whose contrast with what is behind them is below WCAG 2.2, level AA (1.4.3)."""
    found: list[Any] = page.evaluate(_CONTRAST)
    return found


def faults(page: Page) -> list[str]:
    """What a screen reader's user would miss: labels, names, captions, scopes, the order of headings."""
    found: list[str] = page.evaluate(_FAULTS)
    return found


def too_wide(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    wide: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return wide


def tab_to(page: Page, id_: str) -> None:
    """Go to an element by the Tab key alone, and see that whoever looks can see where the focus is."""
    for _ in range(80):
        page.keyboard.press("Tab")
        at, outline = page.evaluate(
            "[document.activeElement.id, getComputedStyle(document.activeElement).outlineStyle]"
        )
        nowhere = page.evaluate("document.activeElement === document.body")  # between the last and the first
        assert nowhere or outline != "none", f"nobody sees that the focus is at {at!r}"
        if at == id_:
            return
    raise AssertionError(f"the Tab key does not come to {id_}")
