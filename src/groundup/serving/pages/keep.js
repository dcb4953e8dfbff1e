// What stays in this browser, under names of ours. Where nothing may be kept (a full or forbidden store), it lasts as long as the page.

const PREFIX = "groundup.";
const memory = new Map();

/** The value kept under a name; undefined if there is none, or what is there is no longer JSON. */
export function kept(name) {
  if (memory.has(name)) return memory.get(name);
  try {
    const text = localStorage.getItem(PREFIX + name);
    return text === null ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Keep a value. False if it will be gone with the page. */
export function keep(name, value) {
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value));
    memory.delete(name);
    return true;
  } catch {
    memory.set(name, value);
    return false;
  }
}

/** Keep it no longer. */
export function forget(name) {
  memory.delete(name);
  try {
    localStorage.removeItem(PREFIX + name);
  } catch {
    // nothing was kept there
  }
}

/** The names that begin in some way. */
export function names(beginning) {
  const found = new Set([...memory.keys()].filter((name) => name.startsWith(beginning)));
  try {
    for (let place = 0; place < localStorage.length; place += 1) {
      const key = localStorage.key(place);
      if (key.startsWith(PREFIX + beginning)) found.add(key.slice(PREFIX.length));
    }
  } catch {
    // nothing is kept there
  }
  return [...found];
}

/** Call `action` when another tab has changed something, with its name; null if that was all there is. */
export function whenOthersChange(action) {
  addEventListener("storage", (event) => {
    if (event.key === null || event.key.startsWith(PREFIX)) action(event.key?.slice(PREFIX.length) ?? null);
  });
}
