"""Ask a served model, and print what it writes while it writes: python docs/tutorial/code/asking.py "JULIET:" """

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPResponse


def ask(url: str, **body: object) -> HTTPResponse:
    """POST a JSON object."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    answer: HTTPResponse = urllib.request.urlopen(request, timeout=60)
    return answer


def stream(server: str, prompt: str, **settings: object) -> Iterator[str]:
    """The pieces of one text, as they come: server-sent events, one line of `data: ` each, until `[DONE]`."""
    with ask(f"{server}/v1/completions", prompt=prompt, stream=True, **settings) as answer:
        for line in answer:
            data = line.decode().removeprefix("data: ").strip()
            if data == "[DONE]":
                return
            if data:
                yield json.loads(data)["choices"][0]["text"]


if __name__ == "__main__":
    prompt = sys.argv[1] if len(sys.argv) > 1 else "JULIET:"
    server = sys.argv[2] if len(sys.argv) > 2 else "http://127.0.0.1:8000"
    try:
        for piece in stream(server, prompt, max_tokens=200):
            print(piece, end="", flush=True)
    except urllib.error.URLError as error:
        sys.exit(f"{server} gives no text ({error.reason}); one without keys starts with  groundup serve runs/first")
    print()
