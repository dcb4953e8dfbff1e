"""What people send: to the loop that most first servers are, and to one that bounds what it takes."""

from __future__ import annotations

import json

import torch
from gossip import village_run
from starlette.testclient import TestClient

import groundup as gu
from groundup.serving.app import create_app
from groundup.serving.settings import ServingSettings

language_model = gu.load(village_run())
PATIENCE = 100  # steps; then we believe that it doesn't end


@torch.no_grad()
def loop(body: bytes) -> str:
    """POST /generate as the shortest server has it. In Flask, an exception is status 500."""
    try:
        data = json.loads(body)
        prompt, max_length = data.get("prompt", ""), data.get("max_length", 100)
        ids = torch.tensor([language_model.tokenizer.encode(prompt)])
        for step in range(max_length):
            if step == PATIENCE:
                return "still at it"
            logits = language_model.model(ids[:, -64:])[:, -1]
            ids = torch.cat([ids, logits.argmax(dim=-1, keepdim=True)], dim=1)
        return "200"
    except Exception as error:
        return f"500 {type(error).__name__}"


ASKED = {
    "an ordinary request": {"prompt": "Mia lent", "max_length": 20},
    "no text": {"prompt": None},
    "a text for a number": {"prompt": "Mia", "max_length": "ten"},
    "a list": [],
    "half a character": {"prompt": "Mia \ud83d"},
    "a billion tokens": {"prompt": "Mia", "max_length": 10**9},
    "a typing error": {"prompt": "Mia", "max_lenght": 5},
    "300,000 characters": {"prompt": "Mia " * 75_000, "max_length": 1},
    "2 MB": {"prompt": "Mia " * 500_000, "max_length": 1},
    "a hundred texts": {"prompt": "Mia", "n": 100},
    "13 texts for 12 places": {"prompt": "Mia", "n": 13},
}
answers = {}
settings = ServingSettings(name="village", num_slots=4, max_waiting=8)
print("what is asked             the loop           the server")
with TestClient(create_app(language_model, settings), base_url="http://127.0.0.1:8000") as client:
    for name, asked in ASKED.items():
        body = json.dumps(asked).encode()
        path = "/v1/completions" if "n" in asked else "/generate"
        answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
        answers[name] = answer.status_code
        told = "" if answer.status_code == 200 else answer.json()["error"]["message"]
        by_loop = loop(body) if path == "/generate" else "-"
        print(f"{name:26}{by_loop:19}{answer.status_code} {told}".rstrip())

assert {name for name, status in answers.items() if status == 200} == {"an ordinary request"}
assert set(answers.values()) == {200, 400, 413, 503}
