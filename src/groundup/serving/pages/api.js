// The server: its addresses, the key, errors that speak to a person, and streams of events.

import { keep, kept } from "./keep.js";

/** What the server answered instead of what was asked for. */
export class ApiError extends Error {
  constructor(status, message, retryAfter = 0) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter; // seconds
  }
}

export const storedKey = () => kept("key") ?? "";
export const storeKey = (key) => keep("key", key);

async function request(address, body, signal) {
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
  const message = typeof said === "string" ? said : `The server answered with status ${response.status}.`;
  throw new ApiError(response.status, message, Number(response.headers.get("Retry-After")) || 0);
}

/** The JSON that an address answers to a body, or to nothing. */
export async function ask(address, body) {
  return (await request(address, body)).json();
}

/** The first model of /v1/models. */
export async function servedModel(signal) {
  const answer = await (await request("v1/models", undefined, signal)).json();
  return answer.data[0];
}

/** What happens inside the model while it reads a text. */
export async function inspect(body, signal) {
  return (await request("inspect", body, signal)).json();
}

/** The objects of a reply's stream, as they come. Throws an `ApiError` for one that says what went wrong, or a stream that breaks off. */
export async function* streamChat(body, signal) {
  const response = await request("v1/chat/completions", { ...body, stream: true, stream_options: { include_usage: true } }, signal);
  let done = false;
  for await (const data of events(response.body)) {
    if (data === "[DONE]") done = true;
    if (done) continue; // the server closes the stream behind it
    const chunk = JSON.parse(data);
    if (chunk.error) throw new ApiError(500, chunk.error.message ?? "The server could not finish the reply.");
    yield chunk;
  }
  if (!done) throw new ApiError(0, "The connection broke off before the reply was complete.");
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
