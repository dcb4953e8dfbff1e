// Light or dark: as the system has it, unless the button said otherwise.

import { byId } from "./dom.js";
import { keep, kept } from "./keep.js";

const ORDER = ["auto", "light", "dark"];
const NAMES = { auto: "as the system", light: "light", dark: "dark" };

function show(theme) {
  document.documentElement.dataset.theme = theme;
  const button = byId("theme");
  button.textContent = { auto: "Auto", light: "Light", dark: "Dark" }[theme];
  button.setAttribute("aria-label", `Colors: ${NAMES[theme]}; change them`);
  button.title = `Colors: ${NAMES[theme]}`;
  document.dispatchEvent(new Event("themechange"));
}

/** Set the colors, and let the button change them. */
export function startTheme() {
  const stored = kept("theme");
  show(ORDER.includes(stored) ? stored : "auto");
  byId("theme").addEventListener("click", () => {
    const next = ORDER[(ORDER.indexOf(document.documentElement.dataset.theme) + 1) % ORDER.length];
    keep("theme", next);
    show(next);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => document.dispatchEvent(new Event("themechange")));
}
