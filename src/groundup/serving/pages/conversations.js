// Conversations, each kept in this browser under a name of its own, so that two tabs disturb each other as little as can be.
//
// {id, title, system, changed, messages: [{role: "user", content} | {role: "assistant", shown, versions: [{content, end, facts}]}]}

import { forget, keep, kept, names } from "./keep.js";

const BEGINNING = "chat.";
const open = new Map(); // those that were read, so that a reply that is being written and the page speak of the same one

/** One without messages. It is kept once it has some. */
export function newConversation() {
  return { id: newId(), title: "", system: "", changed: Date.now(), messages: [] };
}

function newId() {
  const random = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Whether a name is the one that a conversation is kept under. */
export const isOf = (name, one) => name === BEGINNING + one.id;

/** Go on under another name with a conversation that another tab has changed, so that neither is lost. */
export function setApart(one) {
  open.delete(one.id);
  one.id = newId();
  open.set(one.id, one);
}

/** All of them, the latest first. */
export function conversations() {
  const found = names(BEGINNING).map((name) => conversation(name.slice(BEGINNING.length)));
  return found.filter((each) => each !== null).sort((one, other) => other.changed - one.changed);
}

/** The one with an id, or null. */
export function conversation(id) {
  if (!open.has(id)) {
    const found = kept(BEGINNING + id);
    if (!isConversation(found, id)) return null;
    open.set(id, found);
  }
  return open.get(id);
}

/** Keep one; one without messages is no longer there. False if it will be gone with the page. */
export function save(one, touched = true) {
  if (one.messages.length === 0 && !one.title) {
    remove(one.id);
    return true;
  }
  const first = one.messages.find((message) => message.role === "user");
  one.title ||= (first?.content ?? "").trim().replace(/\s+/g, " ").slice(0, 80);
  if (touched) one.changed = Date.now();
  open.set(one.id, one);
  return keep(BEGINNING + one.id, one);
}

/** Keep one no longer. */
export function remove(id) {
  open.delete(id);
  forget(BEGINNING + id);
}

/** Forget what was read, but for one: another tab has changed something. */
export function readAgain(but) {
  for (const id of [...open.keys()]) if (id !== but) open.delete(id);
}

/** What the model is sent: who said what, up to some message. */
export function said(one, end = one.messages.length) {
  const messages = one.messages.slice(0, end).map((message) => ({ role: message.role, content: content(message) }));
  return one.system.trim() ? [{ role: "system", content: one.system }, ...messages] : messages;
}

/** A message's text; of a reply, that of the version that is shown. */
export const content = (message) => (message.role === "user" ? message.content : message.versions[message.shown].content);

/** What is kept may have been changed by hand, or by another version of this page. */
function isConversation(found, id) {
  const isText = (value) => typeof value === "string";
  const isMessage = (message) =>
    message?.role === "user"
      ? isText(message.content)
      : message?.role === "assistant" && Array.isArray(message.versions) && message.versions.every((each) => isText(each?.content)) && message.shown in message.versions;
  return found?.id === id && isText(found.title) && isText(found.system) && Array.isArray(found.messages) && found.messages.every(isMessage);
}
