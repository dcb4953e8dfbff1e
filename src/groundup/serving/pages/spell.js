// Tokens as people can see them: spaces, line ends, control characters and pieces of characters have signs of their own.

import { element } from "./dom.js";

const SIGNS = { "\n": "↵", "\t": "⇥" };
const JOINERS = /[\u200d\ufe0f]/; // of emoji; without an emoji in the same token they would be nothing to see
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}\u{e0100}-\u{e01ef}]|(?! )\p{Zs}/u;

/** A token's text with all that would not be seen made visible; a token that is no whole characters as its bytes, ‹f0 9f›. */
export function visible({ text, bytes }) {
  if (isPiece({ text, bytes })) return `‹${bytes.map(hex).join(" ")}›`;
  if (text === "") return "‹nothing›";
  const characters = Array.from(text);
  const joined = characters.some((each) => !UNSEEN.test(each) && !JOINERS.test(each));
  return characters.map((each) => (JOINERS.test(each) ? joined : !UNSEEN.test(each)) ? each : SIGNS[each] ?? `‹${hex(each.codePointAt(0))}›`).join("");
}

const hex = (code) => code.toString(16).padStart(2, "0");

/** Whether a token is no whole characters. */
export const isPiece = ({ text, bytes }) => bytes && text.includes("\ufffd") && !isReplacement(bytes);

const isReplacement = (bytes) => bytes.length >= 3 && new TextDecoder("utf-8", { fatal: false }).decode(new Uint8Array(bytes)).length * 3 === bytes.length;

/** The same as nodes, with its spaces drawn faintly where nothing else shows them. */
export function spelled(token) {
  const text = visible(token);
  if (isPiece(token)) return [text];
  const parts = text.split(/( +)/).filter(Boolean);
  return parts.map((part) => (part.startsWith(" ") ? element("span", { class: "space" }, "·".repeat(part.length)) : part));
}

/** How a token is read aloud. */
export const named = (token) => (token.special ? `special token ${token.text}` : `“${visible(token)}”`);

/** A probability: 42 %, 0.3 %, or 2e-7. */
export function percent(share) {
  if (share === 0) return "0";
  if (share < 0.00005) return share.toExponential(0);
  const digits = share >= 0.1 ? 0 : share >= 0.01 ? 1 : 2;
  return `${(100 * share).toFixed(share > 0.995 && share < 1 ? 2 : digits)} %`;
}
