// The text as tokens, each as warm as it was surprising.

import { byId, count, element } from "./dom.js";
import { only, rove } from "./roving.js";
import { isPiece, named, spelled } from "./spell.js";

const HOTTEST = 16; // bits

/** Show tokens; `choose` is called with the place of one that is chosen. */
export function showStrip(tokens, chosen, choose) {
  const strip = byId("strip");
  const made = [];
  tokens.forEach((token, place) => {
    made.push(button(token, place, () => choose(place)));
    if (token.text.endsWith("\n")) made.push(element("span", { class: "break" }));
  });
  strip.replaceChildren(...made);
  mark(chosen);
  showFacts(tokens);
}

/** Mark the chosen one. */
export function mark(chosen) {
  const all = [...byId("strip").querySelectorAll(".token")];
  all.forEach((each, place) => each.setAttribute("aria-pressed", String(place === chosen)));
  only(all, all[chosen]);
}

function button(token, place, onclick) {
  const bits = token.surprisal === null ? "start" : token.surprisal.toFixed(1);
  const title = `${named(token)}, ${token.surprisal === null ? "what the text begins from" : `${bits} bits`}\nid ${token.id}`;
  const text = element("span", { class: isPiece(token) ? "text hex" : "text" }, spelled(token));
  const made = element("button", { type: "button", class: token.special ? "token special" : "token", title, onclick }, text, element("span", { class: "bits" }, bits, token.surprisal === null ? null : element("span", { class: "only-read" }, " bits")));
  made.style.setProperty("--heat", Math.min(1, (token.surprisal ?? 0) / HOTTEST).toFixed(3));
  return made;
}

function showFacts(tokens) {
  const counted = tokens.filter((token) => token.surprisal !== null);
  const bits = counted.reduce((sum, token) => sum + token.surprisal, 0);
  const bytes = counted.reduce((sum, token) => sum + token.bytes.length, 0);
  const mean = counted.length ? bits / counted.length : null;
  const shown = (value, digits) => (value === null ? "–" : Math.abs(value) < 1e6 ? Number(value.toFixed(digits)).toLocaleString("en") : value.toExponential(1));
  const facts = [
    ["Tokens", count(counted.length)],
    ["Bytes of a token", shown(counted.length ? bytes / counted.length : null, 2)],
    ["Bits of a token", shown(mean, 2)],
    ["Bits of a byte", shown(bytes ? bits / bytes : null, 3)],
    ["Perplexity", shown(mean === null ? null : 2 ** mean, 1)],
  ];
  byId("facts").replaceChildren(...facts.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));
}

rove(byId("strip"), ".token");
