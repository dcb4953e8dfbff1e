// Side panels: beside the page where there is room, over it where there is not. Then what lies under them rests, and Escape closes them.

import { byId } from "./dom.js";
import { keep, kept } from "./keep.js";

const overlaid = matchMedia("(max-width: 1100px)");

/** Wire panels to their buttons (`toggle-…`). */
export function startPanels(names) {
  const panel = (name) => byId(name);
  const isOpen = (name) => !panel(name).hidden;

  function set(name, open) {
    panel(name).hidden = !open;
    byId(`toggle-${name}`).setAttribute("aria-expanded", String(open));
    const covered = overlaid.matches && names.some(isOpen);
    byId("shade").hidden = !covered;
    byId("main").inert = covered;
  }

  function toggle(name) {
    const open = !isOpen(name);
    if (open && overlaid.matches) names.filter((other) => other !== name).forEach((other) => set(other, false));
    set(name, open);
    if (overlaid.matches) {
      if (open) panel(name).querySelector("button, textarea, input")?.focus();
    } else {
      keep(`panel.${name}`, open);
    }
  }

  function arrange() {
    names.forEach((name) => set(name, !overlaid.matches && (kept(`panel.${name}`) ?? true)));
  }

  /** Close what lies over the page. False if nothing did. */
  function close() {
    const closed = overlaid.matches ? names.filter(isOpen) : [];
    for (const name of closed) {
      set(name, false);
      byId(`toggle-${name}`).focus();
    }
    return closed.length > 0;
  }

  names.forEach((name) => byId(`toggle-${name}`).addEventListener("click", () => toggle(name)));
  byId("shade").addEventListener("click", close);
  overlaid.addEventListener("change", arrange);
  arrange();
  return { close };
}
