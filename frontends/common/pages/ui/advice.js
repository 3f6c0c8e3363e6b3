// What the nodes say that is wrong, what it costs, and the command that ends it.

import { Keyed, attribute, byId, h, sentence, text } from "./dom.js";
import { hasToken } from "./net.js";

// One request to each member that is left. An id may have more digits than a JavaScript number.
function commandOf({ view, epoch }, cluster) {
  const members = view.map(({ address, id }) => `{"address": ${JSON.stringify(address)}, "id": ${id}}`);
  const number = epoch === undefined ? "" : `, "epoch": ${epoch}`;
  const token = hasToken() ? ' -H "Authorization: Bearer $TOKEN"' : "";
  const urls = view.map(({ address }) => `${cluster.placeAt(address)}view`).join(" ");
  return `curl -X PUT${token} -d '{"view": [${members.join(", ")}]${number}}' ${urls}`;
}

const list = new Keyed(byId("advice"), () => {
  const titles = ["What is wrong", "What it costs", "What ends it", "Before that"];
  const [what, costs, remedy, caution] = titles.map((title) => {
    const value = h("dd");
    return { value, element: h("div", {}, h("dt", {}, title), value) };
  });
  const command = h("code");
  const copy = h("button", { type: "button" }, "Copy");
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(command.textContent);
      text(copy, "Copied");
    } catch {
      // Only pages of HTTPS and of this machine may. Then it is selected, to be copied by hand.
      getSelection().selectAllChildren(command);
      text(copy, "Selected");
    }
    setTimeout(() => text(copy, "Copy"), 2000);
  });
  const box = h("div", { class: "command" }, command, copy);
  const facts = h("dl", {}, what.element, costs.element, remedy.element, caution.element);
  return {
    element: h("div", { class: "advice" }, facts, box),
    update({ advice, from, same, other, cluster }) {
      const others = same.map((id) => ` Node ${id} says the same.`).join("");
      const twice = other ? " The nodes name different views here: tell one of them only." : "";
      text(what.value, `${from}${advice.what}.${others}`);
      text(costs.value, sentence(advice.costs));
      text(remedy.value, sentence(advice.remedy));
      attribute(caution.element, "hidden", advice.caution === null ? "" : null);
      text(caution.value, advice.caution === null ? "" : `${sentence(advice.caution)}${twice}`);
      attribute(box, "hidden", advice.put === null ? "" : null);
      text(command, advice.put === null ? "" : commandOf(advice.put, cluster));
    },
  };
});

// What the members of the newest view say, one entry for each view that they name; and the node that serves the
// page, which may belong to none.
function entriesOf({ own, current }) {
  const found = new Map();
  for (const watched of new Set([own, ...current])) {
    const { id, advice } = watched.status ?? {};
    if (!watched.speaks || !advice || (advice.put === null && watched !== own)) continue;
    const key = JSON.stringify(advice.put);
    if (found.has(key)) found.get(key).same.push(id);
    else found.set(key, { id, advice, same: [] });
  }
  return [...found].map(([key, entry]) => [key, { ...entry, other: found.size > 1 }]);
}

export function render(cluster) {
  const entries = entriesOf(cluster);
  list.update(entries.map(([key, entry]) => [key, { ...entry, from: `Node ${entry.id} says: `, cluster }]));
  byId("advice").hidden = entries.length === 0;
}
