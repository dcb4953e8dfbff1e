// Sampling controls, the same on both pages.

import { element } from "./dom.js";

export const CONTROLS = {
  temperature: { label: "Temperature", value: 0.8, min: 0, max: 2, step: 0.05, help: "Below 1 safer, above 1 wilder; 0 takes the likeliest token always." },
  top_k: { label: "Top-k", value: 0, min: 0, max: 200, step: 1, help: "Draw from so many likeliest tokens only; 0: from all." },
  top_p: { label: "Top-p", value: 1, min: 0.01, max: 1, step: 0.01, help: "Draw from the likeliest tokens that together hold this much probability." },
  min_p: { label: "Min-p", value: 0, min: 0, max: 1, step: 0.01, help: "Leave out what is less likely than this share of the likeliest." },
  repetition_penalty: { label: "Repetition penalty", value: 1, min: 1, max: 2, step: 0.05, help: "Above 1: what was said already is less likely." },
};

/** Sliders for some settings in an element; `changed` is called with the setting's name. Returns their values, and a function that sets them. */
export function makeControls(container, names, stored, changed) {
  const values = {};
  const show = {};
  for (const name of names) {
    const control = CONTROLS[name];
    const slider = element("input", { type: "range", id: name, min: control.min, max: control.max, step: control.step, "aria-describedby": `${name}-help` });
    const output = element("output", { for: name });
    show[name] = (value) => {
      values[name] = Math.min(control.max, Math.max(control.min, value));
      slider.value = values[name];
      output.textContent = name === "top_k" && values[name] === 0 ? "all" : String(values[name]);
      slider.setAttribute("aria-valuetext", output.textContent);
    };
    show[name](typeof stored?.[name] === "number" && Number.isFinite(stored[name]) ? stored[name] : control.value);
    slider.addEventListener("input", () => {
      show[name](Number(slider.value));
      changed(name);
    });
    const title = element("div", { class: "row" }, element("label", { for: name }, control.label), output);
    container.append(element("div", { class: "field" }, title, slider, element("span", { class: "soft", id: `${name}-help` }, control.help)));
  }
  const set = (name, value) => {
    show[name](value);
    changed(name);
  };
  return { values, set };
}
