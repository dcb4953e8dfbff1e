// Elements are made by hand, and text is always text: no markup is ever read from a string.

/** An element. Properties that begin with "on" are listeners; `class`, `aria-…`, `data-…` and the like are attributes. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat()) if (child !== null && child !== undefined && child !== false) made.append(child);
  return made;
}

/** The element with an id. */
export const byId = (id) => document.getElementById(id);

/** A button that shows an icon of ours and says what it does. */
export function iconButton(icon, label, onclick, properties = {}) {
  return element("button", { type: "button", class: "icon", "aria-label": label, title: label, onclick, ...properties }, picture(icon));
}

const PATHS = {
  copy: "M9 9h10v11H9z M5 15V4h10",
  edit: "M4 20l1-4L16 5l3 3L8 19z",
  again: "M19 12a7 7 0 1 1-2-5 M19 3v5h-5",
  remove: "M5 7h14 M9 7V4h6v3 M7 7l1 13h8l1-13",
  inside: "M4 12s3-6 8-6 8 6 8 6-3 6-8 6-8-6-8-6z M12 9.500a2.500 2.500 0 1 0 .01 0",
  back: "M14 6l-6 6 6 6",
  forward: "M10 6l6 6-6 6",
  colors: "M12 4a8 8 0 1 0 .01 0 M12 4v16 M14 6.300v11.400 M16 7.500v9 M18 9.500v5",
  add: "M12 5v14 M5 12h14",
};

/** One of our icons, hidden from screen readers. */
export function picture(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [key, value] of Object.entries({ viewBox: "0 0 24 24", "aria-hidden": "true", class: "picture" })) svg.setAttribute(key, value);
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

/** A number as people read it: 12,345, or 0.42. */
export const count = (number) => number.toLocaleString("en");

/** Call `action` once nothing has happened for some milliseconds. */
export function debounce(action, milliseconds) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...given), milliseconds);
  };
}

/** A copy of a text in the clipboard, also where only the old way is there (a page that is not served over https). */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = element("textarea", { class: "out-of-sight", readonly: true });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}
