// Light or dark: as the system has it, unless the button said otherwise.

import { byId, element, picture } from "./dom.js";
import { keep, kept } from "./keep.js";

const ORDER = ["auto", "light", "dark"];
const NAMES = { auto: "Auto", light: "Light", dark: "Dark" };

function show(theme) {
  document.documentElement.dataset.theme = theme;
  const button = byId("theme");
  button.replaceChildren(picture("colors"), element("span", {}, NAMES[theme]));
  button.setAttribute("aria-label", `Colors: ${NAMES[theme]}; change them`);
  button.title = `Colors: ${theme === "auto" ? "as the system has them" : theme}`;
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
