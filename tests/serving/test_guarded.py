"""The guard in its place: before the model reads, and before what it writes leaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.serving.conftest import HOST

from groundup.language_model.model import LanguageModel
from groundup.serving.app import create_app
from groundup.serving.guard.guard import load_guard
from groundup.serving.metrics import Metrics
from groundup.serving.settings import ServingSettings


def _client(language_model: LanguageModel, folder: Path, input: str, output: str) -> TestClient:
    (folder / "words.txt").write_text("swordfish\n", encoding="utf-8")
    toml = f'[words]\nfiles = ["words.txt"]\n[input]\nwords = "{input}"\n[output]\nwords = "{output}"\n'
    (folder / "guard.toml").write_text(toml, encoding="utf-8")
    metrics = Metrics()
    guard = load_guard(folder / "guard.toml", (), metrics.count_guard)
    return TestClient(create_app(language_model, ServingSettings(name="tiny"), guard, metrics), base_url=HOST)


def _says_swordfish(language_model: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the model chooses, the text is this one, in pieces of one character."""
    text = iter("Say swordfish to them, " * 10)
    monkeypatch.setattr(
        "groundup.language_model.text_stream.IncrementalDecoder.add", lambda decoder, token_id: next(text)
    )


def test_what_goes_in(letters: LanguageModel, tmp_path: Path) -> None:
    with _client(letters, tmp_path, input="refuse", output="off") as client:
        messages = [{"role": "system", "content": "swordfish"}, {"role": "user", "content": "hi"}]
        ids = letters.tokenizer.encode("a swordfish")
        for path, body in (
            ("/generate", {"prompt": "a swordfish"}),
            ("/v1/completions", {"prompt": ["a", "a swordfish"]}),
            ("/v1/completions", {"prompt": ids, "stream": True}),
            ("/v1/chat/completions", {"messages": messages}),
        ):
            answer = client.post(path, json=body)
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "content_filter")
            assert "swordfish" not in answer.text
        assert client.post("/v1/completions", json={"prompt": "a fish", "logprobs": 1}).status_code == 200
        text = client.get("/metrics").text
        assert 'groundup_guard_decisions_total{action="refuse",check="words",side="input"} 4.0' in text
        assert 'groundup_guard_decisions_total{action="allow",check="words",side="input"} 2.0' in text
        assert client.app.state.service.runner.num_open == 0  # type: ignore[attr-defined]


def test_what_is_redacted_is_not_read(letters: LanguageModel, tmp_path: Path) -> None:
    with _client(letters, tmp_path, input="redact", output="off") as client:
        for prompt in ("a swordfish", letters.tokenizer.encode("a swordfish")):
            body = {"prompt": prompt, "max_tokens": 0, "echo": True}
            text = client.post("/v1/completions", json=body).json()["choices"][0]["text"]
            assert text.startswith("a ")
            assert "swordfish" not in text


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", ["/v1/completions", "/v1/chat/completions"])
def test_what_comes_out(
    letters: LanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, stream: bool
) -> None:
    _says_swordfish(letters, monkeypatch)
    with _client(letters, tmp_path, input="off", output="refuse") as client:
        asked = {"prompt": "a"} if path == "/v1/completions" else {"messages": [{"role": "user", "content": "a"}]}
        answer = client.post(path, json={**asked, "max_tokens": 200, "stream": stream, "logit_bias": {"0": -100}})
        assert answer.status_code == 200
        assert "swordf" not in answer.text
        last = answer.json() if not stream else json.loads(answer.text.split("\n\n")[-3].removeprefix("data: "))
        assert last["choices"][0]["finish_reason"] == "content_filter"
        assert not client.app.state.service.runner.engine.busy or client.get("/ready").status_code == 200  # type: ignore[attr-defined]
        assert client.app.state.service.runner.num_open == 0  # type: ignore[attr-defined]


def test_tokens_do_not_leave_beside_it(letters: LanguageModel, tmp_path: Path) -> None:
    with _client(letters, tmp_path, input="off", output="redact") as client:
        answer = client.post("/v1/completions", json={"prompt": "a", "logprobs": 5})
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "logprobs")
        body = {"messages": [{"role": "user", "content": "a"}], "logprobs": True}
        assert client.post("/v1/chat/completions", json=body).status_code == 400
