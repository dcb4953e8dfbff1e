// A blind study: one pair after the other, by keys or by hand. The server knows whose answer is whose; this page doesn't.

import { ApiError, ask } from "./api.js";
import { byId, element } from "./dom.js";
import { forget, keep, kept } from "./keep.js";
import { startTheme } from "./theme.js";

const SIDES = ["left", "right"];
const state = { rater: "", criteria: [], pairs: 0, shown: null, busy: false, tabbed: false };

/** The fields of scores in the order in which the keys fill them. */
const fields = () => SIDES.flatMap((side) => state.criteria.map((name) => ({ side, name })));
const scoreOf = ({ side, name }) => Number(document.querySelector(`input[name="${side}-${CSS.escape(name)}"]:checked`)?.value ?? 0);
const give = ({ side, name }, score) => {
  document.querySelector(`input[name="${side}-${CSS.escape(name)}"][value="${score}"]`).checked = true;
};
const choice = () => document.querySelector('input[name="choice"]:checked')?.value ?? "";

function lacking() {
  const open = fields().filter((field) => !scoreOf(field)).length;
  const missing = open ? [`${open} score${open === 1 ? "" : "s"}`] : [];
  if (!choice()) missing.push("which is better");
  return missing;
}

function refresh() {
  const next = fields().find((field) => !scoreOf(field));
  for (const group of document.querySelectorAll(".score")) group.classList.toggle("now", group.dataset.side === next?.side && group.dataset.name === next?.name);
  for (const side of SIDES) byId(side).classList.toggle("better", choice() === side);
  const missing = lacking();
  byId("lacking").textContent = missing.length ? `Still to say: ${missing.join(" and ")}` : "";
  byId("save").disabled = missing.length > 0 || state.busy;
}

function scores(side) {
  return state.criteria.map((name) => element("fieldset", { class: "score", "data-side": side, "data-name": name },
    element("legend", {}, name),
    element("div", { class: "five" }, [1, 2, 3, 4, 5].map((score) => element("label", {},
      element("input", { type: "radio", name: `${side}-${name}`, value: String(score), "aria-label": `${side}, ${name}: ${score} of 5`, onchange: refresh }),
      element("span", { "aria-hidden": "true" }, String(score)))))));
}

function show(answer) {
  state.shown = answer.shown;
  byId("progress").max = Math.max(1, state.pairs);
  byId("progress").value = answer.done;
  byId("count").textContent = `${answer.done} of ${state.pairs}`;
  byId("study").hidden = !answer.shown;
  byId("done").hidden = Boolean(answer.shown);
  if (!answer.shown) {
    byId("thanks").textContent = state.pairs ? `${answer.done} of ${state.pairs} pairs are rated, and kept.` : "This study has no two answers that differ.";
    byId("undo-last").hidden = answer.done === 0;
    return;
  }
  const { prompt } = answer.shown;
  byId("prompt").replaceChildren(...(typeof prompt === "string" ? [prompt] : prompt.flatMap(({ role, content }) => [element("span", { class: "role" }, role), element("span", { class: "said" }, content)])));
  for (const side of SIDES) {
    const text = byId(side).querySelector(".text");
    text.textContent = answer.shown[side] || "(an empty answer)";
    text.classList.toggle("empty", !answer.shown[side]);
    text.scrollTop = 0;
    byId(side).querySelector(".scores").replaceChildren(...scores(side));
  }
  for (const input of document.querySelectorAll('input[name="choice"]')) input.checked = input.value === answer.given?.choice;
  for (const field of answer.given ? fields() : []) give(field, answer.given.scores[field.name][SIDES.indexOf(field.side)]);
  refresh();
  scrollTo(0, 0);
}

function problem(error) {
  byId("problem").textContent = error instanceof ApiError ? error.message : String(error);
  byId("problem").hidden = false;
}

/** Do one thing at a time; what goes wrong is said, and nothing that was typed is lost. */
async function doing(action) {
  if (state.busy) return;
  state.busy = true;
  try {
    const answer = await action();
    byId("problem").hidden = true;
    if (answer) show(answer);
  } catch (error) {
    problem(error);
  } finally {
    state.busy = false;
    if (state.shown) refresh();
  }
}

function save() {
  if (!state.shown || lacking().length) return;
  const given = Object.fromEntries(state.criteria.map((name) => [name, SIDES.map((side) => scoreOf({ side, name }))]));
  doing(() => ask("rating", { rater: state.rater, pair: state.shown.pair, choice: choice(), scores: given }));
}

const undo = () => doing(() => ask("undo", { rater: state.rater }));

function begin(rater) {
  doing(async () => {
    const about = await ask("study");
    const answer = await ask("next", { rater });
    Object.assign(state, { rater, criteria: about.criteria, pairs: about.pairs });
    keep("rater", rater);
    byId("begin").hidden = true;
    byId("who").textContent = rater;
    byId("change").hidden = false;
    return answer;
  });
}

function askName() {
  for (const id of ["study", "done", "change"]) byId(id).hidden = true;
  byId("who").textContent = "";
  state.shown = null;
  byId("begin").hidden = false;
  byId("rater").focus();
}

const CHOICES = { ArrowLeft: "left", ArrowDown: "tie", ArrowRight: "right" };

/** Whether an arrow is for what has the focus: a text that it scrolls, or scores that somebody came to by the Tab key. */
function isOfFocus({ key, target }) {
  if (!key.startsWith("Arrow")) return false;
  return (state.tabbed && target.matches(".score input")) || (target.matches(".text") && target.scrollHeight > target.clientHeight && key === "ArrowDown");
}

function key(event) {
  if (event.key === "Tab") state.tabbed = true;
  if (!state.shown || event.ctrlKey || event.metaKey || event.altKey || event.target.matches('input[type="text"]') || isOfFocus(event)) return;
  if (event.key in CHOICES) document.querySelector(`input[name="choice"][value="${CHOICES[event.key]}"]`).checked = true;
  else if (/^[1-5]$/.test(event.key)) {
    const next = fields().find((field) => !scoreOf(field));
    if (next) give(next, event.key);
  } else if (event.key === "Backspace") {
    const last = fields().findLast(scoreOf);
    if (last) document.querySelector(`input[name="${last.side}-${CSS.escape(last.name)}"]:checked`).checked = false;
  } else if (event.key === "0") for (const input of document.querySelectorAll(".score input")) input.checked = false;
  else if (event.key === "Enter" && !event.target.matches("button")) save();
  else if (event.key.toLowerCase() === "u") undo();
  else return;
  event.preventDefault();
  refresh();
}

startTheme();
byId("begin").addEventListener("submit", (event) => {
  event.preventDefault();
  begin(byId("rater").value.trim());
});
byId("change").addEventListener("click", () => {
  forget("rater");
  askName();
});
byId("save").addEventListener("click", save);
byId("undo").addEventListener("click", undo);
byId("undo-last").addEventListener("click", undo);
byId("choice").addEventListener("change", refresh);
document.addEventListener("keydown", key);
document.addEventListener("pointerdown", () => { state.tabbed = false; });
if (typeof kept("rater") === "string") begin(kept("rater"));
else askName();
