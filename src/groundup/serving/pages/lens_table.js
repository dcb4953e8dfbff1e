// The logit lens: a row for each layer, the last on top; a column for each token.

import { byId, element } from "./dom.js";
import { only, rove } from "./roving.js";
import { named, percent, spelled, visible } from "./spell.js";

let width = 1;

/** Show the lens over the tokens that it covers. */
export function showLens(lens, tokens, chosen) {
  width = lens.layers[0].length;
  const covered = tokens.slice(lens.first, lens.first + width);
  const names = covered.map((token, place) => element("th", { scope: "col", class: lens.first + place === chosen ? "chosen" : null, title: named(token) }, spelled(token)));
  const head = element("tr", {}, element("th", { scope: "col" }, element("span", { class: "only-read" }, "Layer")), names);
  const rows = lens.layers.map((guesses, layer) => {
    const name = layer === 0 ? "start" : String(layer);
    return element("tr", {}, element("th", { scope: "row", title: layerName(layer) }, name), guesses.map((guess, place) => cell(guess, layer, covered[place], tokens[lens.first + place + 1])));
  });
  byId("lens").replaceChildren(element("thead", {}, head), element("tbody", {}, rows.reverse()));
  const cells = [...byId("lens").querySelectorAll("td")];
  only(cells, cells[Math.min(width - 1, Math.max(0, chosen - lens.first))]);
  const scroll = byId("lens").parentElement;
  const column = head.children[1 + chosen - lens.first];
  const end = column.offsetLeft + column.offsetWidth;
  if (column.offsetLeft < scroll.scrollLeft || end > scroll.scrollLeft + scroll.clientWidth) scroll.scrollLeft = end - scroll.clientWidth;
  byId("lens-reads").textContent = "Point at a cell, or move to it, to read what the layer would say there.";
}

const layerName = (layer) => (layer === 0 ? "Before the first layer" : `After layer ${layer}`);

function cell(guess, layer, token, follower) {
  const [id, text, share] = guess.likeliest[0];
  const isRight = follower !== undefined && follower.id === id;
  const said = guess.likeliest.map(([, each, chance]) => `“${visible({ text: each })}” ${percent(chance)}`).join(", ");
  const really = follower === undefined ? "" : ` ${named(follower)}, which follows, is number ${guess.next_rank.toLocaleString("en")} with ${percent(guess.next_probability)}.`;
  const tell = () => (byId("lens-reads").textContent = `${layerName(layer)}, behind ${named(token)}: ${said}.${really}`);
  const made = element("td", { class: isRight ? "right-one" : null, tabindex: "-1", onfocus: tell, onpointerenter: tell }, spelled({ text }));
  made.style.setProperty("--heat", share.toFixed(3));
  return made;
}

rove(byId("lens"), "td", () => width);
