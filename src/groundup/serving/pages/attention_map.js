// Attention: a small map of each head, a large one of the chosen head, and in words what the chosen token looks at.

import { byId, element } from "./dom.js";
import { only, rove } from "./roving.js";
import { named, percent, spelled } from "./spell.js";

const MOST_LOOKS = 8;
const LARGEST = 600; // pixels
const LABELS = 100; // beside the map
let shown = null; // {attention, tokens, chosen, choose}
let head = -1; // of the large map; -1: the mean of all

/** Show a layer's attention; `choose` is called with the place of a token that is chosen. */
export function showAttention(attention, tokens, chosen, choose) {
  shown = { attention, tokens, chosen, choose, mean: mean(attention.heads) };
  head = Math.min(head, attention.heads.length - 1);
  const buttons = [["Mean", -1], ...attention.heads.map((_, number) => [`Head ${number + 1}`, number])].map(([name, number]) => {
    const small = element("canvas", { "aria-hidden": "true" });
    draw(small, weights(number), 1);
    return element("button", { type: "button", class: "head", "aria-pressed": String(number === head), onclick: () => pick(number) }, small, name);
  });
  byId("heads").replaceChildren(...buttons);
  only(buttons, buttons[head + 1]);
  showMap();
}

/** Show what another token looks at. */
export function chooseRow(chosen) {
  if (!shown) return;
  shown.chosen = chosen;
  showMap();
}

const weights = (number) => (number < 0 ? shown.mean : shown.attention.heads[number]);

function pick(number) {
  head = number;
  [...byId("heads").children].forEach((each, place) => each.setAttribute("aria-pressed", String(place === head + 1)));
  showMap();
}

function mean(heads) {
  return heads[0].map((row, query) => row.map((_, key) => heads.reduce((sum, each) => sum + each[query][key], 0) / heads.length));
}

function showMap() {
  const { tokens, chosen } = shown;
  const room = Math.min(LARGEST, byId("map-scroll").clientWidth - LABELS);
  const size = Math.max(room < LARGEST ? 14 : 6, Math.min(40, Math.floor(room / tokens.length)));
  const canvas = byId("canvas");
  draw(canvas, weights(head), size, chosen);
  canvas.style.width = canvas.style.height = `${size * tokens.length}px`;
  canvas.setAttribute("aria-label", `Attention of ${headName()}, ${tokens.length} by ${tokens.length} tokens; the list beside it says what the chosen token looks at`);
  byId("map").querySelectorAll(".rows, .columns").forEach((each) => each.remove());
  if (size >= 11) byId("map").append(axis("rows", size), axis("columns", size));
  bringIntoView(size);
  showLooks();
}

/** Scroll to the chosen row, if it can't be seen. */
function bringIntoView(size) {
  const scroll = byId("map-scroll");
  const top = size * shown.chosen;
  if (top < scroll.scrollTop || top + size > scroll.scrollTop + scroll.clientHeight) scroll.scrollTop = top - scroll.clientHeight / 2;
}

const headName = () => (head < 0 ? `the mean of all heads of layer ${shown.attention.layer + 1}` : `layer ${shown.attention.layer + 1}, head ${head + 1}`);

function axis(name, size) {
  const names = shown.tokens.map((token, place) => element("span", { class: name === "rows" && place === shown.chosen ? "chosen" : null }, spelled(token)));
  for (const each of names) each.style[name === "rows" ? "height" : "width"] = `${size}px`;
  return element("div", { class: name, "aria-hidden": "true" }, names);
}

/** Cells as dark as the root of their weight, so that small ones show as well. */
function draw(canvas, rows, size, chosen = -1) {
  const scale = size === 1 ? 1 : Math.ceil(devicePixelRatio);
  canvas.width = canvas.height = rows.length * size * scale;
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  const style = getComputedStyle(document.documentElement);
  pen.fillStyle = color(style, "--raised");
  pen.fillRect(0, 0, rows.length * size, rows.length * size);
  const dark = color(style, "--accent");
  const paper = color(style, "--paper");
  rows.forEach((row, query) => row.forEach((weight, key) => {
    const gap = size > 8 ? 1 : 0;
    pen.globalAlpha = 1;
    pen.fillStyle = paper;
    pen.fillRect(key * size, query * size, size - gap, size - gap);
    pen.globalAlpha = Math.sqrt(weight);
    pen.fillStyle = dark;
    pen.fillRect(key * size, query * size, size - gap, size - gap);
  }));
  pen.globalAlpha = 1;
  if (chosen >= 0) {
    pen.strokeStyle = color(style, "--ink");
    pen.lineWidth = 1.5;
    pen.strokeRect(0.75, chosen * size - 0.25, (chosen + 1) * size - 1, size - 0.5);
  }
}

/** A color of ours as a canvas can use it, whichever of light and dark is on. */
function color(style, name) {
  const probe = document.body;
  const before = probe.style.outlineColor;
  probe.style.outlineColor = `var(${name})`;
  const found = getComputedStyle(probe).outlineColor;
  probe.style.outlineColor = before;
  return found;
}

function showLooks() {
  const { tokens, chosen } = shown;
  const row = weights(head)[chosen];
  byId("looks-title").textContent = `${named(tokens[chosen])} looks at`;
  const places = [...row.keys()].sort((one, other) => row[other] - row[one]).slice(0, MOST_LOOKS);
  byId("looks").replaceChildren(...places.map((key) => {
    const bar = element("span", { class: "share", "aria-hidden": "true" });
    bar.style.setProperty("--share", row[key].toFixed(4));
    return element("li", {}, element("span", { class: "text" }, before(key), spelled(tokens[key])), element("span", {}, bar), element("span", {}, percent(row[key])));
  }));
  byId("map-reads").textContent = `In ${headName()}.`;
}

/** The token before, faintly, since the same one may stand there several times. */
const before = (key) => (key > 0 ? element("span", { class: "before" }, spelled(shown.tokens[key - 1])) : null);

function cellAt(event) {
  const box = byId("canvas").getBoundingClientRect();
  const at = (offset) => Math.floor((offset / box.width) * shown.tokens.length);
  const [query, key] = [at(event.clientY - box.top), at(event.clientX - box.left)];
  return query in shown.tokens && key >= 0 && key <= query ? [query, key] : null;
}

byId("canvas").addEventListener("pointermove", (event) => {
  const cell = shown && cellAt(event);
  if (cell) byId("canvas").title = `${named(shown.tokens[cell[0]])} looks at ${named(shown.tokens[cell[1]])}: ${percent(weights(head)[cell[0]][cell[1]])}`;
});
byId("canvas").addEventListener("click", (event) => {
  const cell = shown && cellAt(event);
  if (cell) shown.choose(cell[0]);
});
document.addEventListener("themechange", () => shown && showAttention(shown.attention, shown.tokens, shown.chosen, shown.choose));
rove(byId("heads"), ".head");
