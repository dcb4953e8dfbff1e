// Tokens as people can see them: spaces, line ends, control characters and pieces of characters have signs of their own.

import { element } from "./dom.js";

const SIGNS = { "\n": "↵", "\t": "⇥", "\r": "␍" };
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}]/u;

/** A token's text with all that would not be seen made visible; a token that is no whole characters as its bytes, ‹f0 9f›. */
export function visible({ text, bytes }) {
  if (bytes && text.includes("\ufffd") && !isReplacement(bytes)) return `‹${bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(" ")}›`;
  if (text === "") return "‹nothing›";
  return Array.from(text, sign).join("");
}

function sign(character) {
  if (SIGNS[character]) return SIGNS[character];
  if (character === "\u200d" || character === "\ufe0f" || !UNSEEN.test(character)) return character; // emoji are joined with these
  const code = character.codePointAt(0);
  return code < 32 ? String.fromCodePoint(0x2400 + code) : `‹${code.toString(16)}›`;
}

const isReplacement = (bytes) => bytes.length >= 3 && new TextDecoder("utf-8", { fatal: false }).decode(new Uint8Array(bytes)).length * 3 === bytes.length;

/** The same as nodes, with its spaces drawn faintly where nothing else shows them. */
export function spelled(token) {
  const text = visible(token);
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
