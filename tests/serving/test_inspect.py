"""POST /inspect: the same numbers as from Python, and clear words for what can't be looked at."""

from __future__ import annotations

import asyncio
import json
import math
import threading
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.serving.conftest import HOST, Serve

from groundup.generation.settings import GenerationSettings
from groundup.language_model.look_inside import attention_weights, logit_lens, next_token, read, surprisals
from groundup.language_model.model import LanguageModel
from groundup.serving.api_error import ApiError
from groundup.serving.app import create_app
from groundup.serving.guard.guard import load_guard
from groundup.serving.inspecting import MAX_CHARACTERS, MAX_WAITING, InspectBody, Inspected, Inspector, inspect
from groundup.serving.metrics import Metrics
from groundup.serving.settings import ServingSettings

TEXT = "To be, or naïve 日"


def test_all_at_once(chat_client: TestClient, talker: LanguageModel) -> None:
    settings: dict[str, Any] = {"temperature": 0.5, "top_k": 9, "top_p": 0.9, "min_p": 0.01, "repetition_penalty": 1.2}
    asked = {
        "text": TEXT,
        "next": {"position": 3, "count": 5, **settings},
        "attention": {"layer": 1},
        "lens": {"first": 2, "positions": 4, "count": 2},
    }
    answer = chat_client.post("/inspect", json=asked).json()
    reading = read(talker, TEXT)
    T = len(reading.ids)
    assert (answer["num_layers"], answer["num_heads"], answer["max_tokens"]) == (2, 2, 128)
    assert [token["id"] for token in answer["tokens"]] == list(reading.ids)
    assert b"".join(bytes(token["bytes"]) for token in answer["tokens"][1:]) == TEXT.encode()
    assert [token["special"] for token in answer["tokens"]] == [True] + [False] * (T - 1)
    assert answer["tokens"][0]["surprisal"] is None
    assert [token["surprisal"] for token in answer["tokens"][1:]] == pytest.approx(surprisals(reading)[1:])
    (score,) = talker.score([TEXT])
    total = sum(token["surprisal"] for token in answer["tokens"][1:])
    assert -math.log(2) * total == pytest.approx(score.log_likelihood, rel=1e-4)

    found = next_token(reading, 3, GenerationSettings(**settings), 5)
    assert [(one["id"], one["before"], one["after"]) for one in answer["next"]["candidates"]] == [
        (one.id, pytest.approx(one.before), pytest.approx(one.after)) for one in found.candidates
    ]
    assert (answer["next"]["position"], answer["next"]["num_kept"]) == (3, found.num_kept)

    weights = attention_weights(reading, 1)
    for head, rows in enumerate(answer["attention"]["heads"]):
        assert [len(row) for row in rows] == list(range(1, T + 1))
        for place, row in enumerate(rows):
            assert row == pytest.approx(weights[head, place, : place + 1].tolist(), abs=5.1e-5)

    for guesses, expected in zip(answer["lens"]["layers"], logit_lens(reading, 2, 4, 2), strict=True):
        assert [guess["next_rank"] for guess in guesses] == [guess.next_rank for guess in expected]
        assert [[one[0] for one in guess["likeliest"]] for guess in guesses] == [
            [token for token, _ in guess.likeliest] for guess in expected
        ]


def test_only_what_is_asked_for(chat_client: TestClient) -> None:
    answer = chat_client.post("/inspect", json={"text": "<|im_end|>"}).json()
    assert (answer["next"], answer["attention"], answer["lens"]) == (None, None, None)
    assert len(answer["tokens"]) > 2, "a text spells no special token"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({}, "text: "),
        ({"text": None}, "text: "),
        ({"text": "\ud800"}, "no valid Unicode"),
        ({"text": "a" * (MAX_CHARACTERS + 1)}, f"text: this should have at most {MAX_CHARACTERS} characters"),
        ({"text": "word " * 200}, "can be looked at: shorten it"),
        ({"text": "a", "attention": {"layer": 2}}, "layer = 2: use a whole number from 0 to 1"),
        ({"text": "a", "attention": {"layer": -1}}, "attention.layer: "),
        ({"text": "a", "next": {"position": 9}}, "position = 9: use a whole number from 0 to 1"),
        ({"text": "a", "next": {"top_p": 0}}, "next.top_p: "),
        ({"text": "a", "next": {"count": 10**9}}, "next.count: "),
        ({"text": "a", "lens": {"first": 4}}, "position = 4"),
        ({"text": "a", "lens": {"positions": 10**9}}, "lens.positions: "),
        ({"text": "a", "heads": 1}, "heads: there is no such field"),
    ],
)
def test_what_cannot_be_looked_at(chat_client: TestClient, asked: dict[str, Any], told: str) -> None:
    answer = chat_client.post("/inspect", content=json.dumps(asked), headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert told in answer.json()["error"]["message"]


def test_another_model_is_not_here(chat_client: TestClient) -> None:
    assert chat_client.post("/inspect", json={"text": "a", "model": "gpt-9"}).status_code == 404


def test_too_many_at_once_are_told_to_come_back(talker: LanguageModel) -> None:
    async def many() -> list[Any]:
        inspector = Inspector(talker)
        asked = [inspector.inspect(InspectBody(text="a")) for _ in range(MAX_WAITING + 3)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert (await inspector.inspect(InspectBody(text="a"))).tokens, "the places are free again"
        return answers

    refused = [answer for answer in asyncio.run(many()) if isinstance(answer, BaseException)]
    assert [(type(error), getattr(error, "status", 0)) for error in refused] == [(ApiError, 503)] * 3


def test_of_those_who_have_left_nothing_is_computed(letters: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page asks anew while somebody types, and leaves what it asked before."""
    looked_at, go_on = [], threading.Event()

    def slow(language_model: LanguageModel, body: InspectBody) -> Inspected:
        looked_at.append(body.text)
        go_on.wait(10)
        return inspect(language_model, body)

    monkeypatch.setattr("groundup.serving.inspecting.inspect", slow)
    app = create_app(letters, ServingSettings(name="tiny"))

    async def ask(text: str, leaves: bool) -> int:
        messages = [{"type": "http.request", "body": json.dumps({"text": text}).encode()}]
        statuses = []

        async def receive() -> dict[str, Any]:
            if messages:
                return messages.pop()
            if not leaves:
                await asyncio.Event().wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            statuses.append(message.get("status"))

        headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
        address = {"type": "http", "method": "POST", "path": "/inspect", "raw_path": b"/inspect", "query_string": b""}
        await app({**address, "headers": headers}, receive, send)
        return int(statuses[0])

    async def type_on() -> list[int]:
        first = asyncio.create_task(ask("a", leaves=False))
        while not looked_at and not first.done():
            await asyncio.sleep(0.005)
        left = [await ask("ab", leaves=True) for _ in range(MAX_WAITING + 1)]
        last = asyncio.create_task(ask("abc", leaves=False))
        await asyncio.sleep(0.01)
        go_on.set()
        return [*left, await first, await last]

    assert asyncio.run(type_on()) == [499] * (MAX_WAITING + 1) + [200, 200]
    assert looked_at == ["a", "abc"]


def test_the_pages_are_open_and_what_they_ask_for_is_not(serve: Serve, letters: LanguageModel, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("secret\n")
    client = serve(letters, api_keys=str(tmp_path / "keys"))
    for path in ("/", "/inside", "/pages/chat.js", "/pages/style.css"):
        assert client.get(path).status_code == client.head(path).status_code == 200
        assert client.post(path).status_code == 401
    assert client.post("/inspect", json={"text": "a"}).status_code == 401
    opened = client.post("/inspect", json={"text": "a"}, headers={"Authorization": "Bearer secret"})
    assert opened.status_code == 200


@pytest.mark.parametrize(
    ("side", "status", "told"), [("input", 400, "refused by this server's guard"), ("output", 403, "no look inside")]
)
def test_a_guard_is_not_gone_around(letters: LanguageModel, tmp_path: Path, side: str, status: int, told: str) -> None:
    """What the model may not read isn't read; where texts are checked on their way out, no single tokens are shown."""
    (tmp_path / "words.txt").write_text("swordfish\n")
    (tmp_path / "guard.toml").write_text(f'[words]\nfiles = ["words.txt"]\n[{side}]\nwords = "refuse"\n')
    guard = load_guard(tmp_path / "guard.toml", (), Metrics().count_guard)
    with TestClient(create_app(letters, ServingSettings(name="tiny"), guard), base_url=HOST) as client:
        answer = client.post("/inspect", json={"text": "a swordfish"})
        assert answer.status_code == status
        assert told in answer.json()["error"]["message"]
