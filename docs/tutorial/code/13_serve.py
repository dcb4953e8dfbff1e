"""A served model, asked over HTTP: all at once, piece by piece, by eight at the same time, and after somebody has left."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

from asking import ask, stream
from gossip import village_run

import groundup as gu
from groundup.serving.app import create_app
from groundup.serving.http_server import http_server
from groundup.serving.settings import ServingSettings

# What `groundup serve village --port 0 --engine pytorch` does, in a thread of this process.
language_model = gu.load(village_run())
settings = ServingSettings(name="village", port=0)
server = http_server(create_app(language_model, settings), settings)
thread = threading.Thread(target=server.run)
thread.start()
while not server.started:
    time.sleep(0.01)
url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"


def written(seed: int) -> str:
    body = json.load(ask(f"{url}/v1/completions", prompt="Mia lent", max_tokens=30, seed=seed, temperature=0.8))
    text: str = body["choices"][0]["text"]
    return text


def figure(name: str) -> float:
    lines = urllib.request.urlopen(f"{url}/metrics").read().decode().splitlines()
    return float(next(line for line in lines if line.startswith(f"{name} ")).split()[1])


try:
    text = json.load(ask(f"{url}/generate", prompt="Mia lent", max_length=20))["generated_text"]
    print(f"POST /generate: {text[:8]!r}, and more: {len(text) > 8}")
    pieces = list(stream(url, "Mia lent Ben a kite. Ben", max_tokens=8, temperature=0))
    print(f"streamed: |{'|'.join(pieces)}|")
    with ThreadPoolExecutor(8) as clients:
        together = list(clients.map(written, range(8)))
    alone = [language_model.generate("Mia lent", max_new_tokens=30, seed=seed, temperature=0.8) for seed in range(8)]
    same = sum(one == other for one, other in zip(together, alone, strict=True))
    print(f"eight clients at once, each with a seed: {same} of {len(alone)} texts are what the model writes alone")
    long = stream(url, "Mia", max_tokens=4000)
    next(long)
    before = figure("groundup_places_taken")
    long.close()  # somebody closes the page
    deadline = time.monotonic() + 20
    while figure("groundup_places_taken") and time.monotonic() < deadline:
        time.sleep(0.01)
    print(
        f"places taken while a long text is written: {before:.0f}; after its reader left: {figure('groundup_places_taken'):.0f}"
    )
finally:
    server.should_exit = True
    thread.join()

assert text.startswith("Mia lent")
assert "".join(pieces) == " thanked"
assert same == 8
