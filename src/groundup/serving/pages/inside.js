// The look-inside page: a text goes to the server, and what the model makes of it comes back in parts.

import { ApiError, inspect, servedModel, storedKey, storeKey, told } from "./api.js";
import { chooseRow, showAttention } from "./attention_map.js";
import { makeControls } from "./controls.js";
import { byId, debounce, element } from "./dom.js";
import { keep, kept } from "./keep.js";
import { showLens } from "./lens_table.js";
import { showNext } from "./next_token.js";
import { startTheme } from "./theme.js";
import { mark, showStrip } from "./token_strip.js";

const EXAMPLES = { "A fact": "The capital of France is Paris. The capital of Italy is", "A surprise": "She put the cup on the elephant and went to bed.", "A pattern": "red blue green red blue green red blue", "Many scripts": "naïve Größe 日本語 😀 Привет" };
const LENS_WIDTH = 24;
const CANDIDATES = 14;

const area = byId("text");
let text = ""; // that is shown; the field may hold a newer one already
let tokens = []; // its
let chosen = -1; // whose successor is looked at
let layer = 0;
const asked = {}; // the newest request of each kind; older answers are not waited for

const controls = makeControls(byId("controls"), ["temperature", "top_k", "top_p", "min_p"], { temperature: 1 }, () => askNextSoon());

/** Ask for a part of what is inside; null if something newer was asked for meanwhile, or it went wrong, which is told. */
async function ask(kind, parts, of = text) {
  asked[kind]?.abort();
  const controller = (asked[kind] = new AbortController());
  try {
    const answer = await inspect({ text: of, ...parts }, controller.signal);
    return controller === asked[kind] ? answer : null;
  } catch (error) {
    if (error.name === "AbortError" || controller !== asked[kind]) return null;
    if (!(error instanceof ApiError)) throw error;
    complain(told(error));
    if (error.status === 401) byId("key-field").hidden = false;
    return null;
  }
}

function complain(text) {
  byId("notice").className = text ? "notice" : "";
  byId("notice").textContent = text;
}

const nextSettings = (position) => ({ position, ...controls.values, count: CANDIDATES });
const lensPart = () => {
  const first = Math.max(0, Math.min(chosen - Math.floor(LENS_WIDTH / 2), tokens.length - LENS_WIDTH));
  return { first, positions: LENS_WIDTH, count: 3 };
};

/** Read the text anew. */
async function look() {
  for (const kind of ["next", "attention", "lens"]) asked[kind]?.abort();
  byId("results").setAttribute("aria-busy", "true");
  const wanted = area.value;
  const answer = await ask("text", { next: nextSettings(-1), attention: { layer } }, wanted);
  if (!answer) return rest(wanted);
  complain("");
  byId("key-field").hidden = true;
  text = wanted;
  tokens = answer.tokens;
  chosen = tokens.length - 1;
  byId("layer").max = answer.num_layers;
  showLayer();
  byId("results").hidden = false;
  showStrip(tokens, chosen, choose);
  show(answer);
  byId("status").textContent = `${tokens.length} tokens.`;
  keep("inside.text", text);
  await askLens();
  rest(wanted);
}

/** All of a text is shown, or it went wrong; unless a newer one is on its way. */
function rest(wanted) {
  if (wanted === area.value) byId("results").removeAttribute("aria-busy");
}

function show(answer) {
  if (answer.next) showNext(answer.next, answer.tokens, answer.next.position === answer.tokens.length - 1 ? add : null);
  if (answer.attention) showAttention(answer.attention, answer.tokens, chosen, choose);
  if (answer.lens) showLens(answer.lens, answer.tokens, chosen);
}

async function askPart(kind, parts) {
  const answer = await ask(kind, parts);
  if (answer) show(answer);
}

const askNext = () => askPart("next", { next: nextSettings(chosen) });
const askNextSoon = debounce(askNext, 80);
const askLens = () => askPart("lens", { lens: lensPart() });
const askAttentionSoon = debounce(() => askPart("attention", { attention: { layer } }), 80);

function choose(place) {
  chosen = place;
  mark(place);
  chooseRow(place);
  askNext();
  askLens();
}

function add(more) {
  area.value += more;
  look();
}

function showLayer() {
  layer = Math.min(layer, Number(byId("layer").max) - 1);
  byId("layer").value = layer + 1;
  byId("layer-shown").textContent = `${layer + 1} of ${byId("layer").max}`;
}

byId("layer").addEventListener("input", () => {
  layer = Number(byId("layer").value) - 1;
  showLayer();
  askAttentionSoon();
});

area.addEventListener("input", debounce(look, 350));
for (const [name, example] of Object.entries(EXAMPLES)) {
  byId("examples").append(element("button", { type: "button", class: "button", onclick: () => { area.value = example; look(); } }, name));
}
byId("key").value = storedKey();
byId("key").addEventListener("change", () => {
  storeKey(byId("key").value.trim());
  start();
});

async function start() {
  servedModel().then((model) => (byId("model").textContent = byId("model").title = model.id)).catch(() => {});
  await look();
}

function textOfAddress() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
}

startTheme();
area.value = textOfAddress() || (kept("inside.text") ?? EXAMPLES["A fact"]);
addEventListener("hashchange", () => { area.value = textOfAddress(); look(); });
start();
