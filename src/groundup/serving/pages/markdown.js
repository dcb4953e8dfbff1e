// Markdown's blocks: what models write of CommonMark and of GitHub's tables, made into elements. Markup in the text stays text.
//
// Left out on purpose: HTML and its names for characters, images (they become links, so nothing is fetched), reference links, indented code, underlined headings.
// A line's end is a line's end, as in a poem. Time grows with the text's length, whatever is in it; depth is bounded.

import { copyText, element } from "./dom.js";
import { inline } from "./inline.js";

const DEEPEST = 12;
const FENCE = /^ {0,3}(`{3,}|~{3,})([^`]*)$/;
const HEADING = /^ {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$/;
const RULE = /^ {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])( {1,4}(?=\S)| +| *$)/;
const TABLE_RULE = /^ {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/;

/** Show a text in an element. Blocks that are as they were stay, so what is selected in them stays selected while more comes. */
export function showMarkdown(container, text) {
  const blocks = parse(text.replaceAll("\r\n", "\n").replaceAll("\t", "    ").split("\n"), 0);
  blocks.forEach((block, place) => {
    const there = container.children[place];
    if (there?.source === block.source) return;
    const made = block.make();
    made.source = block.source;
    if (there) there.replaceWith(made);
    else container.append(made);
  });
  while (container.children.length > blocks.length) container.lastElementChild.remove();
}

/** Blocks of some lines: each with its source, and a function that makes its element. */
function parse(lines, depth) {
  const blocks = [];
  let place = 0;
  while (place < lines.length) {
    if (lines[place].trim() === "") {
      place += 1;
      continue;
    }
    const start = place;
    let make = null;
    for (const read of depth < DEEPEST ? [fence, heading, rule, quote, list, table] : [fence, heading, rule]) {
      const found = read(lines, place, depth);
      if (found) {
        [place, make] = found;
        break;
      }
    }
    if (!make) {
      place += 1;
      while (place < lines.length && !interrupts(lines, place)) place += 1;
      const text = lines.slice(start, place).map((line) => line.trimStart()).join("\n").trimEnd();
      make = () => element("p", {}, inline(text));
    }
    blocks.push({ source: lines.slice(start, place).join("\n"), make });
  }
  return blocks;
}

const elements = (lines, depth) => parse(lines, depth).map((block) => block.make());

/** Whether a paragraph ends before this line. */
function interrupts(lines, place) {
  const line = lines[place];
  if (line.trim() === "" || FENCE.test(line) || HEADING.test(line) || RULE.test(line) || QUOTE.test(line)) return true;
  const item = ITEM.exec(line);
  return item !== null && line.length > item[0].length && (/[-*+]/.test(item[2]) || /^1[.)]$/.test(item[2]));
}

function fence(lines, place) {
  const opening = FENCE.exec(lines[place]);
  if (!opening) return null;
  const mark = opening[1];
  const closing = new RegExp(`^ {0,3}${mark[0]}{${mark.length},}[ \\t]*$`);
  let end = place + 1;
  while (end < lines.length && !closing.test(lines[end])) end += 1;
  const code = lines.slice(place + 1, end).join("\n");
  return [Math.min(end + 1, lines.length), () => codeBlock(code, opening[2].trim().split(/\s/)[0])];
}

function codeBlock(code, language) {
  const button = element("button", { type: "button", class: "quiet" }, "Copy");
  button.addEventListener("click", async () => {
    button.textContent = (await copyText(code)) ? "Copied" : "Not allowed";
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
  const shown = element("pre", { tabindex: "0", role: "region", "aria-label": language ? `Code, ${language}` : "Code" }, element("code", {}, code));
  return element("div", { class: "code" }, element("div", { class: "code-head" }, element("span", {}, language), button), shown);
}

function heading(lines, place) {
  const found = HEADING.exec(lines[place]);
  // The page has its own heading of the first level.
  return found && [place + 1, () => element(`h${Math.min(6, found[1].length + 1)}`, { "data-level": found[1].length }, inline(found[2] ?? ""))];
}

function rule(lines, place) {
  return RULE.test(lines[place]) ? [place + 1, () => element("hr")] : null;
}

function quote(lines, place, depth) {
  let end = place;
  while (end < lines.length && QUOTE.test(lines[end])) end += 1;
  if (end === place) return null;
  const inner = lines.slice(place, end).map((line) => line.replace(QUOTE, ""));
  return [end, () => element("blockquote", {}, elements(inner, depth + 1))];
}

function list(lines, place, depth) {
  const first = ITEM.exec(lines[place]);
  if (!first || RULE.test(lines[place])) return null;
  const kind = first[2].at(-1);
  const items = [];
  let loose = false;
  let end = place;
  while (end < lines.length) {
    const item = ITEM.exec(lines[end]);
    if (!item || item[2].at(-1) !== kind || RULE.test(lines[end])) break;
    const empty = lines[end].length === item[0].length;
    const indent = item[1].length + item[2].length + (empty ? 1 : item[3].length <= 4 ? item[3].length : 1);
    const inner = [lines[end].slice(indent)];
    end += 1;
    let blank = 0;
    for (; end < lines.length; end += 1) {
      const line = lines[end];
      if (line.trim() === "") {
        blank += 1;
      } else if (line.length - line.trimStart().length >= indent) {
        if (blank) loose = true;
        for (; blank > 0; blank -= 1) inner.push("");
        inner.push(line.slice(indent));
      } else if (blank === 0 && !ITEM.test(line) && !interrupts(lines, end)) {
        inner.push(line.trimStart()); // a paragraph that goes on without its indent
      } else {
        break;
      }
    }
    items.push(inner);
    if (blank) {
      const next = end < lines.length ? ITEM.exec(lines[end]) : null;
      if (next && next[2].at(-1) === kind) loose = true;
      else {
        end -= blank;
        break;
      }
    }
  }
  const ordered = /\d/.test(first[2]);
  const from = ordered ? Number.parseInt(first[2], 10) : 1;
  return [end, () => element(ordered ? "ol" : "ul", from === 1 ? {} : { start: from }, items.map((inner) => listItem(inner, depth, loose)))];
}

/** In a list without blank lines, an item's paragraphs are plain text. */
function listItem(lines, depth, loose) {
  const children = elements(lines, depth + 1);
  return element("li", {}, loose ? children : children.flatMap((child) => (child.localName === "p" ? [...child.childNodes] : [child])));
}

function table(lines, place) {
  if (place + 1 >= lines.length || !lines[place].includes("|") || !TABLE_RULE.test(lines[place + 1])) return null;
  const head = cells(lines[place]);
  const sides = cells(lines[place + 1]).map((mark) => (mark.endsWith(":") ? (mark.startsWith(":") ? "center" : "right") : "left"));
  if (head.length !== sides.length) return null;
  let end = place + 2;
  while (end < lines.length && lines[end].trim() !== "" && !interrupts(lines, end)) end += 1;
  const row = (tag, texts) => element("tr", {}, sides.map((side, column) => element(tag, { class: side === "left" ? null : side }, inline(texts[column] ?? ""))));
  const body = lines.slice(place + 2, end).map(cells);
  const make = () => {
    const parts = [element("thead", {}, row("th", head))];
    if (body.length) parts.push(element("tbody", {}, body.map((texts) => row("td", texts))));
    return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table" }, element("table", {}, parts));
  };
  return [end, make];
}

/** A table's row, cut at the bars that are not escaped. */
function cells(line) {
  const parts = line.trim().replace(/^\|/, "").replace(/(?<!\\)\|$/, "").split(/(?<!\\)\|/);
  return parts.map((part) => part.replaceAll("\\|", "|").trim());
}
