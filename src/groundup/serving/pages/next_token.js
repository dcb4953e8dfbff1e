// What may come next: the likeliest tokens, with what the sampling settings make of them.

import { byId, count, element, iconButton } from "./dom.js";
import { named, percent, spelled } from "./spell.js";

/** Show what may follow a token; `add` puts a candidate behind the text, or is null where that makes no sense. */
export function showNext(next, tokens, add) {
  const after = tokens[next.position];
  byId("next-where").replaceChildren(next.position === tokens.length - 1 ? "Behind the last token, " : "Behind the token ", element("strong", {}, named(after)), ":");
  const most = Math.max(...next.candidates.map((one) => Math.max(one.before, one.after)));
  byId("bars").replaceChildren(...next.candidates.map((one) => row(one, most, add)));
  const total = next.num_kept === 1 ? "One token can be drawn" : `${count(next.num_kept)} tokens can be drawn`;
  byId("next-facts").textContent = `${total}. Uncertainty: ${next.entropy_before.toFixed(2)} bits by the model, ${next.entropy_after.toFixed(2)} bits as it is drawn.`;
}

function row(one, most, add) {
  const bar = element("span", { class: "bar", "aria-hidden": "true" });
  for (const name of ["before", "after"]) {
    const part = element("i", { class: name });
    part.style.setProperty("--share", (one[name] / most).toFixed(4));
    if (one[name] > 0) bar.append(part);
  }
  const whole = add && !one.text.includes("\ufffd") && one.text && !one.special;
  const button = whole ? iconButton("add", `Add ${named(one)} to the text`, () => add(one.text), { class: "icon small" }) : null;
  return element("tr", { class: one.after > 0 ? null : "dropped" }, element("td", { title: named(one) }, spelled(one)), element("td", {}, bar),
    element("td", { class: "number" }, percent(one.before)), element("td", { class: "number" }, percent(one.after)), element("td", {}, button));
}
