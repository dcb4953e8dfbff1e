// The server: its addresses, the key, errors that speak to a person, and streams of events.

import { keep, kept } from "./keep.js";

/** What the server answered instead of what was asked for. */
export class ApiError extends Error {
  constructor(status, message, code = "", retryAfter = 0) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter; // seconds
  }
}

/** What went wrong, as a sentence for people. */
export function told({ status, message, code, retryAfter }) {
  if (status === 401) return storedKey() ? "The server does not know this key." : "This server asks for a key.";
  if (status === 503) return `The server is busy; try again in a moment.${retryAfter ? ` It says: in ${retryAfter} s.` : ""}`;
  if (code === "content_filter") return "The server's guard refused this text: it holds something that may not go to the model.";
  const about = message.replace(/^[\w.]+: /, ""); // without the name of the request's field
  const sentence = about[0].toUpperCase() + about.slice(1);
  return /[.!?]$/.test(sentence) ? sentence : `${sentence}.`;
}

const BROKE_OFF = "The connection broke off before the reply was complete.";
const NOT_UNDERSTOOD = "What answered is not understood here. Is it this server?";

/** An object of JSON. Throws an `ApiError` for what is none. */
function parsed(text) {
  try {
    const found = JSON.parse(text);
    if (typeof found === "object" && found !== null) return found;
  } catch {
    // no JSON
  }
  throw new ApiError(0, NOT_UNDERSTOOD);
}

export const storedKey = () => kept("key") ?? "";
export const storeKey = (key) => keep("key", key);

async function request(address, body, signal) {
  if (/[^ -~]/.test(storedKey())) throw new ApiError(401, "A key has letters, digits and signs of ASCII only.");
  const headers = storedKey() ? { Authorization: `Bearer ${storedKey()}` } : {};
  const options = { headers, signal, credentials: "omit", referrerPolicy: "no-referrer" };
  if (body !== undefined) {
    options.method = "POST";
    options.body = JSON.stringify(body);
    headers["Content-Type"] = "application/json";
  }
  let response;
  try {
    response = await fetch(address, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "No answer from the server. Is it running?");
  }
  if (response.ok) return response;
  const answer = await response.json().catch(() => null);
  const said = answer?.error?.message;
  const message = typeof said === "string" && said ? said : `The server answered with status ${response.status}.`;
  throw new ApiError(response.status, message, answer?.error?.code ?? "", Number(response.headers.get("Retry-After")) || 0);
}

/** The first model of /v1/models. */
export async function servedModel(signal) {
  const answer = parsed(await (await request("v1/models", undefined, signal)).text());
  return answer.data[0];
}

/** What happens inside the model while it reads a text. */
export async function inspect(body, signal) {
  const answer = parsed(await (await request("inspect", body, signal)).text());
  if (!Array.isArray(answer.tokens)) throw new ApiError(0, NOT_UNDERSTOOD);
  return answer;
}

/** The objects of a reply's stream, as they come. Throws an `ApiError` for one that says what went wrong, or a stream that breaks off. */
export async function* streamChat(body, signal) {
  const response = await request("v1/chat/completions", { ...body, stream: true, stream_options: { include_usage: true } }, signal);
  let done = false;
  try {
    for await (const data of events(response.body)) {
      if (data === "[DONE]") done = true;
      if (done) continue; // the server closes the stream behind it
      const chunk = parsed(data);
      if (chunk.error) throw new ApiError(500, chunk.error.message || "The server could not finish the reply.");
      yield chunk;
    }
  } catch (error) {
    if (error instanceof ApiError || error.name === "AbortError") throw error;
    throw new ApiError(0, BROKE_OFF); // the server is gone
  }
  if (!done) throw new ApiError(0, BROKE_OFF);
}

/** The data of server-sent events (WHATWG HTML, §9.2.6), whichever way the bytes are cut. */
export async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  let data = [];
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      text += value;
      // A lone carriage return at the end may be half of a line's end.
      for (let match; (match = /\r\n|\n|\r(?!$)/.exec(text)); ) {
        const line = text.slice(0, match.index);
        text = text.slice(match.index + match[0].length);
        if (line === "") {
          if (data.length) yield data.join("\n");
          data = [];
        } else if (line.startsWith("data:")) {
          data.push(line.slice(line[5] === " " ? 6 : 5));
        }
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
