// How messages look.

import { copyText, element, iconButton, picture } from "./dom.js";
import { content } from "./conversations.js";
import { showMarkdown } from "./markdown.js";

/** A message as an element. `does` has what its buttons do: edit, again, version, said. */
export function messageElement(message, place, { isLast, isWritten }, does) {
  const isUser = message.role === "user";
  const said = element("div", { class: "said", dir: "auto" });
  const foot = element("div", { class: "foot" });
  const made = element("article", { class: `message ${message.role}`, "aria-label": isUser ? "You" : "Reply", "aria-busy": isWritten ? "true" : null }, said);
  showSaid(made, message);
  if (isWritten) {
    foot.append(element("span", { class: "waiting", "aria-hidden": "true" }));
  } else {
    foot.append(...buttons(message, place, isLast, does));
    const version = isUser ? null : message.versions[message.shown];
    if (version?.end) made.append(element("p", { class: "end" }, version.end));
    if (version?.facts) foot.append(element("span", { class: "facts" }, version.facts));
  }
  made.append(foot);
  return made;
}

/** Show a message's text as it is now: a reply's as markdown, a person's as it was typed. */
export function showSaid(made, message) {
  const said = made.querySelector(".said");
  if (message.role === "user") said.textContent = message.content;
  else showMarkdown(said, content(message));
}

function buttons(message, place, isLast, does) {
  const text = content(message);
  const made = [];
  if (message.role === "assistant" && message.versions.length > 1 && isLast) {
    const step = (by, icon, label) => iconButton(icon, label, () => does.version(place, message.shown + by), { disabled: !(message.shown + by in message.versions) });
    const which = element("span", {}, element("span", { class: "only-read" }, "Version "), `${message.shown + 1}/${message.versions.length}`);
    made.push(element("span", { class: "versions" }, step(-1, "back", "The version before"), which, step(1, "forward", "The next version")));
  }
  const copy = iconButton("copy", "Copy", async () => does.say((await copyText(text)) ? "Copied." : "The browser does not allow copying."));
  made.push(copy);
  if (message.role === "user") made.push(iconButton("edit", "Edit", () => does.edit(place)));
  else if (isLast) made.push(iconButton("again", "Write another reply", () => does.again()));
  made.push(element("a", { class: "icon", href: `inside#${encodeURIComponent(text.slice(0, 1000))}`, "aria-label": "Look inside this text", title: "Look inside this text" }, picture("inside")));
  return made;
}

/** A message with a field to change it in; `done` is called with the new text, or with null. */
export function editElement(message, done) {
  const area = element("textarea", { rows: Math.min(10, message.content.split("\n").length + 1), "aria-label": "Your message" });
  area.value = message.content;
  const finish = (text) => done(text !== null && text.trim() ? text : null);
  area.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      event.stopPropagation();
      finish(null);
    } else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      finish(area.value);
    }
  });
  const cancel = element("button", { type: "button", class: "button", onclick: () => finish(null) }, "Cancel");
  const send = element("button", { type: "button", class: "button main", onclick: () => finish(area.value) }, "Send");
  const made = element("article", { class: "message user", "aria-label": "You" }, element("div", { class: "edit" }, area, element("div", { class: "actions" }, cancel, send)));
  queueMicrotask(() => {
    area.focus();
    area.setSelectionRange(area.value.length, area.value.length);
  });
  return made;
}
