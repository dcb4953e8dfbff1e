// The chat page: what is said, replies as they come, and the buttons around them.

import { ApiError, servedModel, storedKey, storeKey, streamChat, told } from "./api.js";
import { conversation, conversations, isOf, newConversation, readAgain, remove, said, save, setApart } from "./conversations.js";
import { CONTROLS, makeControls } from "./controls.js";
import { byId, count, element, iconButton } from "./dom.js";
import { keep, kept, whenOthersChange } from "./keep.js";
import { editElement, messageElement, showSaid } from "./messages.js";
import { startPanels } from "./panels.js";
import { startTheme } from "./theme.js";

const DEFAULT_MAX_TOKENS = 512;
const IDEAS = ["Explain what a language model is, in three sentences.", "Write a short poem about the sea.", "Why is the sky blue?", "Give me a plan for a quiet Sunday."];
const SAVE_EVERY = 2000; // milliseconds, while a reply is being written

const input = byId("input");
const scroll = byId("scroll");
const messages = byId("messages");
let current = conversation(kept("current") ?? "") ?? newConversation();
let reply = null; // {conversation, place, controller, element} while one is being written
let sticking = true; // to the end, while more comes

// The settings

const stored = kept("settings") ?? {};
const settings = { max_tokens: stored.max_tokens ?? "", seed: stored.seed ?? "" };
const controls = makeControls(byId("sampling"), Object.keys(CONTROLS), stored, keepSettings);
const numbers = {
  max_tokens: { label: "Most tokens of a reply", least: 1, placeholder: String(DEFAULT_MAX_TOKENS), help: "A token is a short word, or a piece of a long one." },
  seed: { label: "Seed", least: 0, placeholder: "another each time", help: "With the same seed, the same words get the same reply." },
};
for (const [name, { label, least, placeholder, help }] of Object.entries(numbers)) {
  const field = element("input", { type: "number", id: name, min: least, max: Number.MAX_SAFE_INTEGER, step: 1, placeholder, inputmode: "numeric", "aria-describedby": `${name}-help` });
  const about = element("span", { class: "soft", id: `${name}-help` }, help);
  field.value = settings[name];
  field.addEventListener("input", () => {
    const valid = field.validity.valid;
    field.setAttribute("aria-invalid", String(!valid));
    about.textContent = valid ? help : `Not taken: write a whole number from ${least} on.`;
    settings[name] = valid ? field.value : "";
    keepSettings();
  });
  byId("sampling").append(element("div", { class: "field" }, element("label", { for: name }, label), field, about));
}

function keepSettings() {
  keep("settings", { ...controls.values, ...settings });
}

byId("reset").addEventListener("click", () => {
  for (const [name, control] of Object.entries(CONTROLS)) controls.set(name, control.value);
  for (const name of Object.keys(numbers)) {
    byId(name).value = "";
    byId(name).dispatchEvent(new Event("input"));
  }
});

byId("system").addEventListener("input", () => {
  current.system = byId("system").value;
  if (current.messages.length) saveCurrent(false);
});

byId("key").value = storedKey();
byId("key").addEventListener("change", () => {
  storeKey(byId("key").value.trim());
  showModel();
});

function sampling() {
  const seed = settings.seed === "" ? {} : { seed: Number(settings.seed) };
  return { ...controls.values, ...seed, max_completion_tokens: Number(settings.max_tokens) || DEFAULT_MAX_TOKENS };
}

// What is shown

const does = {
  edit: edit,
  again: () => write(current.messages.length - 1),
  version(place, shown) {
    current.messages[place].shown = shown;
    saveCurrent(false);
    show();
  },
  say,
};

function show() {
  const made = current.messages.map((message, place) => {
    const isWritten = reply?.conversation === current && reply.place === place;
    const shown = messageElement(message, place, { isLast: place === current.messages.length - 1 && !reply, isWritten }, does);
    if (isWritten) reply.element = shown;
    return shown;
  });
  messages.replaceChildren(...(made.length ? made : [welcome()]));
  byId("system").value = current.system;
  byId("send").hidden = reply !== null;
  byId("stop").hidden = reply === null;
  document.title = current.title ? `${current.title} · Groundup` : "Chat · Groundup";
  showList();
  stick();
}

function welcome() {
  const ideas = IDEAS.map((idea) => element("button", { type: "button", class: "button", onclick: () => send(idea) }, idea));
  return element("div", { class: "welcome" }, element("img", { src: "pages/icon.svg", alt: "" }), element("h2", {}, "What shall we talk about?"),
    element("p", { class: "soft" }, "Everything you write goes to this server's model and to nobody else."), element("div", { class: "ideas" }, ideas));
}

function showList() {
  const entries = conversations().map((each) => {
    const open = element("button", { type: "button", class: "open", title: each.title, "aria-current": each.id === current.id ? "true" : null, onclick: () => change(each) }, each.title || "Untitled");
    return element("li", {}, open, iconButton("remove", `Delete: ${each.title || "Untitled"}`, () => drop(each)));
  });
  byId("list").replaceChildren(...entries);
}

/** Say something that passes, to eyes and ears; it may be undone for some seconds. */
function say(text, undo = null) {
  const toast = byId("toast");
  toast.replaceChildren(element("span", {}, text));
  if (undo) {
    toast.append(element("button", { type: "button", class: "quiet", onclick: () => { toast.hidden = true; undo(); } }, "Undo"));
  }
  toast.hidden = false;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => (toast.hidden = true), undo ? 8000 : 2500);
}

function complain(text, again = null, does = "Try again") {
  const notice = byId("notice");
  notice.className = text ? "notice" : "";
  notice.replaceChildren(...(text ? [element("span", {}, text)] : []));
  if (again) notice.append(element("button", { type: "button", class: "button", onclick: () => { complain(""); again(); } }, does));
}

function stick() {
  if (sticking) scroll.scrollTop = scroll.scrollHeight;
}
scroll.addEventListener("scroll", () => {
  sticking = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 60;
  byId("latest").hidden = sticking;
}, { passive: true });
byId("latest").addEventListener("click", () => {
  sticking = true;
  stick();
});

// Conversations

function saveCurrent(touched = true) {
  keepOne(current, touched);
}

function keepOne(one, touched = true) {
  if (!save(one, touched)) complain("This browser keeps nothing more: its store is full or not allowed. Delete conversations, or copy what you need.");
}

function change(to) {
  current = to;
  keep("current", current.id);
  sticking = true;
  complain("");
  show();
  panels.close();
  input.focus();
}

function drop(one) {
  if (reply?.conversation === one) reply.controller.abort();
  remove(one.id);
  if (one === current) change(newConversation());
  else showList();
  say("Deleted.", () => {
    keepOne(one, false);
    change(one);
  });
}

byId("new").addEventListener("click", () => change(newConversation()));

whenOthersChange((name) => {
  if (reply && isOf(name, reply.conversation)) {
    setApart(reply.conversation);
    say("Another tab went on with this conversation. Yours is now one of its own.");
  }
  readAgain(reply?.conversation.id);
  if (current !== reply?.conversation) current = conversation(current.id) ?? (current.messages.length ? newConversation() : current);
  show();
});

// What is said, and replied

function send(text) {
  if (!text.trim()) return;
  if (reply) return say("A reply is being written: wait for it, or stop it.");
  current.messages.push({ role: "user", content: text });
  input.value = "";
  resize();
  saveCurrent();
  keep("current", current.id);
  write(current.messages.length);
}

function edit(place) {
  if (reply) return;
  const message = current.messages[place];
  const shown = messages.children[place];
  shown.replaceWith(editElement(message, (text) => {
    if (text === null || reply) return show();
    const before = current.messages;
    const edited = current;
    current.messages = [...before.slice(0, place), { role: "user", content: text }];
    const dropped = before.length - place - 1;
    write(current.messages.length);
    if (dropped > 1) {
      say(`${dropped} messages after it were dropped.`, () => {
        if (reply?.conversation === edited) reply.controller.abort();
        edited.messages = before;
        keepOne(edited);
        show();
      });
    }
  }));
}

/** Let the model write the message at `place`: a new one, or another version of the one that is there. */
async function write(place) {
  if (reply) return;
  const one = current;
  const message = one.messages[place] ?? { role: "assistant", shown: 0, versions: [] };
  if (!one.messages[place]) one.messages.push(message);
  const list = one.messages; // an edit that is undone puts another in its place
  const before = message.shown;
  const version = { content: "", end: "", facts: "" };
  message.shown = message.versions.push(version) - 1;
  const controller = new AbortController();
  reply = { conversation: one, place, controller, element: null };
  sticking = true;
  complain("");
  show();
  byId("status").textContent = "The model is writing.";
  const timing = { started: performance.now(), first: 0, tokens: 0, saved: performance.now() };
  let problem = null;
  let broken = false;
  try {
    for await (const chunk of streamChat({ messages: said(one, place), ...sampling() }, controller.signal)) {
      take(chunk, version, timing);
      if (current === one && reply.element) paint(message);
      if (performance.now() - timing.saved > SAVE_EVERY) {
        timing.saved = performance.now();
        keepOne(one);
      }
    }
    version.facts = facts(timing);
    if (!version.content.trim()) version.end ||= "The model said nothing.";
  } catch (error) {
    if (error.name !== "AbortError") problem = error;
    version.end = problem ? "It broke off here." : "You stopped it here.";
    broken = true;
  }
  reply = null;
  if (broken && !version.content) {
    message.versions.pop();
    message.shown = Math.min(before, message.versions.length - 1);
    if (!message.versions.length) list.splice(list.indexOf(message), 1);
  }
  if (one.messages === list && (conversation(one.id) === one || problem === null)) keepOne(one);
  show();
  byId("status").textContent = problem ? "" : `Reply: ${version.content.slice(0, 2000)}`;
  if (problem) fail(problem, () => current === one && write(place), () => current === one && edit(place - 1));
}

/** What a piece of the stream brings. */
function take(chunk, version, timing) {
  const choice = chunk.choices?.[0];
  if (choice?.delta?.content) {
    timing.first ||= performance.now();
    version.content += choice.delta.content;
  }
  if (choice?.finish_reason === "length") version.end = "It ended at the most tokens of a reply (see Settings), or at the end of the model's context.";
  if (choice?.finish_reason === "content_filter") version.end = "The server's guard ended it here.";
  if (chunk.usage) timing.tokens = chunk.usage.completion_tokens;
}

function facts({ started, first, tokens }) {
  if (!tokens || !first) return "";
  const seconds = (performance.now() - first) / 1000;
  const speed = tokens > 1 && seconds > 0 ? ` · ${((tokens - 1) / seconds).toFixed(1)} tokens/s` : "";
  return `${count(tokens)} ${tokens === 1 ? "token" : "tokens"}${speed} · first after ${((first - started) / 1000).toFixed(2)} s`;
}

/** Once a frame, however fast the pieces come. */
function paint(message) {
  if (paint.asked) return;
  paint.asked = requestAnimationFrame(() => {
    paint.asked = 0;
    if (!reply?.element) return;
    showSaid(reply.element, message);
    stick();
  });
}

function fail(problem, again, reword) {
  if (!(problem instanceof ApiError)) throw problem;
  if (problem.status === 401) return askForKey(problem, again);
  if (problem.code === "content_filter") return complain(told(problem), reword, "Change it");
  if (problem.code === "context_length_exceeded") return complain(`The model's context is full. ${told(problem)}`, () => change(newConversation()), "New chat");
  complain(told(problem), again);
}

function askForKey(problem, again) {
  const dialog = byId("key-dialog");
  byId("key-title").textContent = told(problem);
  byId("asked-key").value = dialog.returnValue = "";
  byId("not-now").onclick = () => dialog.close();
  dialog.showModal();
  dialog.addEventListener("close", () => {
    const key = byId("asked-key").value.trim();
    if (dialog.returnValue !== "use" || !key) return complain(`${told(problem)} Write one into the settings.`, again);
    storeKey(key);
    byId("key").value = key;
    showModel();
    again();
  }, { once: true });
}

async function showModel() {
  try {
    const model = await servedModel();
    byId("model").textContent = byId("model").title = model.id;
    byId("max_tokens").placeholder = String(Math.min(DEFAULT_MAX_TOKENS, model.max_model_len ?? DEFAULT_MAX_TOKENS));
  } catch {
    byId("model").textContent = "";
  }
}

// The field and the keys

function resize() {
  if (CSS.supports("field-sizing", "content")) return;
  input.style.height = "auto";
  input.style.height = `${input.scrollHeight}px`;
}
input.addEventListener("input", resize);
input.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing && !event.altKey) {
    event.preventDefault();
    send(input.value);
  } else if (event.key === "ArrowUp" && input.value === "") {
    const last = current.messages.findLastIndex((message) => message.role === "user");
    if (last >= 0 && !reply) {
      event.preventDefault();
      edit(last);
    }
  }
});
byId("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  send(input.value);
});
byId("stop").addEventListener("click", stop);
function stop() {
  reply?.controller.abort();
  input.focus();
}
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !panels.close()) stop();
  if (event.altKey && event.code === "KeyN") {
    event.preventDefault();
    change(newConversation());
  }
});
addEventListener("pagehide", () => reply && keepOne(reply.conversation, false));

const panels = startPanels(["conversations", "settings"]);
startTheme();
show();
showModel();
if (matchMedia("(hover: hover)").matches) input.focus();
