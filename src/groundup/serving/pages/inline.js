// Markdown within a line: emphasis, code, links. A row of text nodes is made first; emphasis and links then take those between their marks.
// The rules of emphasis are CommonMark's (§6.2), with its bound on looking back, so that hostile text costs no more than other text.

import { element } from "./dom.js";

const DEEPEST = 20;
const LONGEST_RUN = 6;
const SPECIAL = /[\\`*_~[\]!<\nh]/g;
const ESCAPED = /[!-/:-@[-`{-~]/;
const AUTOLINK = /<((?:https?:\/\/|mailto:)[^\s<>]{1,2000})>/y;
const ADDRESS = /https?:\/\/[^\s<>*~`[\]"]{1,2000}/y;
const TARGET = /\(\s{0,20}(?:<([^<>\n]{0,2000})>|([^\s()<>]{0,2000}(?:\([^\s()<>]{0,500}\)[^\s()<>]{0,500}){0,20}))(?:\s{1,20}(?:"[^"]{0,500}"|'[^']{0,500}'))?\s{0,20}\)/y;

/** A text as nodes. */
export function inline(text) {
  const row = document.createDocumentFragment();
  const runs = []; // of marks that may begin or end emphasis
  const brackets = []; // that may begin a link
  const unclosed = new Set(); // lengths of runs of backticks that nothing closes
  let plain = 0;
  let place = 0;

  const flush = (end) => {
    if (end > plain) row.append(text.slice(plain, end));
  };
  const put = (node, next) => {
    flush(place);
    row.append(node);
    place = plain = next;
  };

  for (;;) {
    SPECIAL.lastIndex = place;
    const match = SPECIAL.exec(text);
    if (!match) break;
    place = match.index;
    const sign = match[0];
    if (sign === "\\") {
      const next = text[place + 1];
      if (next === "\n") put(element("br"), place + 2);
      else if (next !== undefined && ESCAPED.test(next)) put(document.createTextNode(next), place + 2);
      else place += 1;
    } else if (sign === "\n") {
      let end = place;
      while (end > plain && text[end - 1] === " ") end -= 1;
      flush(end);
      plain = place;
      put(element("br"), place + 1);
    } else if (sign === "`") {
      const length = runLength(text, place);
      const close = unclosed.has(length) ? -1 : closingTicks(text, place + length, length);
      if (close < 0) {
        unclosed.add(length);
        place += length;
      } else {
        const code = text.slice(place + length, close).replaceAll("\n", " ");
        const spaced = code.startsWith(" ") && code.endsWith(" ") && code.trim() !== "";
        put(element("code", {}, spaced ? code.slice(1, -1) : code), close + length);
      }
    } else if (sign === "<") {
      const found = matchAt(AUTOLINK, text, place);
      if (found) put(link(found[1], [found[1].replace(/^mailto:/, "")]), place + found[0].length);
      else place += 1;
    } else if (sign === "h") {
      const address = /\w/.test(text[place - 1] ?? "") ? null : matchAt(ADDRESS, text, place);
      if (address) {
        const href = trimmed(address[0]);
        put(link(href, [href]), place + href.length);
      } else {
        place += 1;
      }
    } else if (sign === "!" && text[place + 1] !== "[") {
      place += 1;
    } else if (sign === "[" || sign === "!") {
      const mark = document.createTextNode(sign === "!" ? "![" : "[");
      put(mark, place + mark.length);
      brackets.push({ mark, runs: runs.length });
    } else if (sign === "]") {
      const opening = brackets.pop();
      const target = opening && matchAt(TARGET, text, place + 1);
      if (!target) {
        place += 1;
        continue;
      }
      const next = place + 1 + target[0].length;
      flush(place);
      emphasize(runs.splice(opening.runs));
      const inner = takeBetween(opening.mark, null).flatMap((node) => (node.localName === "a" ? [...node.childNodes] : [node]));
      opening.mark.remove();
      if (opening.mark.data === "[") brackets.length = 0; // no link holds another
      place = plain = next;
      row.append(link((target[1] ?? target[2]).replace(/\\([!-/:-@[-`{-~])/g, "$1"), inner.length ? inner : [target[1] ?? target[2]]));
    } else {
      const length = runLength(text, place);
      const run = describeRun(text, place, length);
      if (!run) {
        place += length;
        continue;
      }
      run.node = document.createTextNode(sign.repeat(length));
      put(run.node, place + length);
      runs.push(run);
    }
  }
  place = text.length;
  flush(place);
  emphasize(runs);
  return row;
}

function matchAt(pattern, text, place) {
  pattern.lastIndex = place;
  return pattern.exec(text);
}

function runLength(text, place) {
  let end = place + 1;
  while (text[end] === text[place]) end += 1;
  return end - place;
}

function closingTicks(text, place, length) {
  for (let start = text.indexOf("`", place); start >= 0; ) {
    const found = runLength(text, start);
    if (found === length) return start;
    start = text.indexOf("`", start + found);
  }
  return -1;
}

/** An address without what ends the sentence around it. */
function trimmed(address) {
  let end = address.length;
  const open = (address.match(/\(/g) ?? []).length;
  let close = (address.match(/\)/g) ?? []).length;
  for (;;) {
    const last = address[end - 1];
    if (".,:;!?'*_~".includes(last)) end -= 1;
    else if (last === ")" && close > open) {
      end -= 1;
      close -= 1;
    } else return address.slice(0, end);
  }
}

/** A link to another place of the web, or, for any other address, its text as text. */
function link(address, children) {
  let url = null;
  try {
    url = new URL(address);
  } catch {
    // no whole address
  }
  if (!url || !["http:", "https:", "mailto:"].includes(url.protocol)) return element("span", {}, children);
  return element("a", { href: url.href, target: "_blank", rel: "noopener noreferrer nofollow", title: url.href }, children);
}

/** What a run of * _ or ~ may do (CommonMark §6.2); null if nothing. */
function describeRun(text, place, length) {
  const mark = text[place];
  if (length > LONGEST_RUN || (mark === "~" && length !== 2)) return null;
  const before = place === 0 ? " " : text[place - 1];
  const after = text[place + length] ?? " ";
  const spaceBefore = /\s/.test(before);
  const spaceAfter = /\s/.test(after);
  const signBefore = /[\p{P}\p{S}]/u.test(before);
  const signAfter = /[\p{P}\p{S}]/u.test(after);
  const left = !spaceAfter && (!signAfter || spaceBefore || signBefore);
  const right = !spaceBefore && (!signBefore || spaceAfter || signAfter);
  const opens = left && (mark !== "_" || !right || signBefore);
  const closes = right && (mark !== "_" || !left || signAfter);
  return opens || closes ? { mark, length, opens, closes, original: length } : null;
}

/** Turn runs into elements around what stands between them. */
function emphasize(runs) {
  const bottoms = new Map(); // below these, no run fits one of this kind
  const open = [];
  for (const closer of runs) {
    while (closer.closes && closer.length > 0) {
      const kind = `${closer.mark}${closer.opens}${closer.original % 3}`;
      let place = open.length - 1;
      const bottom = bottoms.get(kind) ?? 0;
      while (place >= bottom && !fits(open[place], closer)) place -= 1;
      if (place < bottom) {
        bottoms.set(kind, open.length);
        break;
      }
      const opener = open[place];
      open.length = place + 1;
      const used = closer.mark === "~" || (opener.length >= 2 && closer.length >= 2) ? 2 : 1;
      wrap(opener, closer, closer.mark === "~" ? "s" : used === 2 ? "strong" : "em", used);
      if (opener.length === 0) open.pop();
      for (const [each, at] of bottoms) if (at > open.length) bottoms.set(each, open.length);
    }
    if (closer.opens && closer.length > 0) open.push(closer);
  }
}

function fits(opener, closer) {
  if (opener.mark !== closer.mark) return false;
  // "Of three": *foo**bar* is no nested emphasis.
  const odd = (opener.closes || closer.opens) && (opener.original + closer.original) % 3 === 0;
  return !odd || (opener.original % 3 === 0 && closer.original % 3 === 0);
}

function wrap(opener, closer, tag, used) {
  const inner = takeBetween(opener.node, closer.node);
  const depth = 1 + inner.reduce((deepest, node) => Math.max(deepest, node.depth ?? 0), 0);
  for (const run of [opener, closer]) {
    run.length -= used;
    run.node.data = run.mark.repeat(run.length);
  }
  if (depth > DEEPEST) {
    opener.node.parentNode.insertBefore(fragment(inner), opener.node.nextSibling);
    return;
  }
  const made = element(tag, {}, fragment(inner));
  made.depth = depth;
  opener.node.after(made);
}

function fragment(nodes) {
  const made = document.createDocumentFragment();
  for (const node of nodes) made.append(node);
  return made;
}

/** The nodes after one and before another, or before the end, taken out of their row. */
function takeBetween(first, last) {
  const taken = [];
  for (let node = first.nextSibling; node !== last && node !== null; node = first.nextSibling) {
    taken.push(node);
    node.remove();
  }
  return taken;
}
