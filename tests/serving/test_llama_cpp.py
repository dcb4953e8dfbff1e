"""llama.cpp as the engine of the server, on a tiny GGUF file."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from gguf import GGMLQuantizationType
from starlette.testclient import TestClient
from tests.model.test_gguf_file import network, write
from tests.serving.conftest import HOST, wait_until
from tests.tokens.test_gguf_vocabulary import byte_pair_facts

from groundup.errors import GenerationError, MissingExtraError, ModelError
from groundup.generation.request import Request
from groundup.generation.settings import GenerationSettings
from groundup.language_model.model import LanguageModel
from groundup.serving.app import create_app
from groundup.serving.llama_cpp import LlamaCppEngine
from groundup.serving.settings import ServingSettings

CONTEXT = 64


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made, facts = byte_pair_facts("qwen2")
    path = tmp_path_factory.mktemp("llama") / "tiny.gguf"
    model = network("llama", vocab_size=made.vocab_size + 1, max_seq_len=CONTEXT)
    write(path, model, "llama", GGMLQuantizationType.F32, vocabulary=facts)
    return path


@pytest.fixture(scope="module")
def llama(file: Path) -> Iterator[TestClient]:
    engine = LlamaCppEngine(file, num_slots=2, context=CONTEXT)
    language_model = LanguageModel.load(file, device="cpu")
    app = create_app(language_model, ServingSettings(name="tiny", num_slots=2), engine=engine)
    with TestClient(app, base_url=HOST) as client:
        yield client


def test_greedy_text_is_that_of_our_engine(llama: TestClient, file: Path) -> None:
    ours = LanguageModel.load(file, device="cpu").generate("The License", max_new_tokens=12, temperature=0.0)
    body = {"prompt": "The License", "max_tokens": 12, "temperature": 0}
    completion = llama.post("/v1/completions", json=body).json()
    assert completion["choices"][0]["text"] == ours
    assert completion["usage"]["completion_tokens"] == 12
    streamed = llama.post("/v1/completions", json={**body, "stream": True})
    assert streamed.text.endswith("data: [DONE]\n\n")
    scored = llama.post("/v1/completions", json={**body, "logprobs": 2}).json()["choices"][0]["logprobs"]
    assert "".join(scored["tokens"]) == ours
    assert all(max(likeliest.values()) <= 0 for likeliest in scored["top_logprobs"])


def test_several_at_once_and_a_seed(llama: TestClient) -> None:
    body = {"prompt": "The", "max_tokens": 10, "seed": 3, "n": 4}
    first, second = (llama.post("/v1/completions", json=body).json()["choices"] for _ in range(2))
    assert len(first) == 4
    assert first == second
    assert len({choice["text"] for choice in first}) > 1


def test_what_it_lacks_is_refused(llama: TestClient) -> None:
    for body in ({"prompt": "The", "max_tokens": 100}, {"prompt": "The", "echo": True, "logprobs": 1}):
        answer = llama.post("/v1/completions", json=body)
        assert answer.status_code == 400
        assert "--engine llama.cpp" in answer.json()["error"]["message"]
    service = llama.app.state.service  # type: ignore[attr-defined]
    wait_until(lambda: service.runner.num_open == 0 and not service.runner.engine.busy)


def test_a_text_that_it_refuses_takes_no_other_with_it(file: Path) -> None:
    engine = LlamaCppEngine(file, num_slots=3, context=CONTEXT)
    settings = GenerationSettings(max_new_tokens=30, temperature=0.0)
    good = [engine.add(Request([1, 2, 3], settings)) for _ in range(2)]
    bad = engine.add(Request([10**6], settings))
    told: dict[int, str] = dict.fromkeys(good, "")
    errors: list[GenerationError] = []
    while engine.busy:
        try:
            for piece in engine.step():
                told[piece.ticket] += piece.text
        except GenerationError as error:
            errors.append(error)
            assert not engine.holds(bad)
    assert len(errors) == 1
    assert told[good[0]] == told[good[1]] != ""
    assert not any(engine.holds(ticket) for ticket in good)


def test_presence_and_frequency_penalties_are_its_own(llama: TestClient) -> None:
    body = {"prompt": "The License", "max_tokens": 12, "temperature": 0}
    plain, pushed, again = (
        llama.post("/v1/completions", json={**body, **more}).json()["choices"][0]["text"]
        for more in ({}, {"presence_penalty": -2, "frequency_penalty": -2}, {"frequency_penalty": 0})
    )
    assert plain == again != pushed


def test_nobody_asks_at_its_own_port(llama: TestClient) -> None:
    import httpx

    engine = llama.app.state.service.runner.engine  # type: ignore[attr-defined]
    url = engine._server.listening_address
    assert httpx.post(f"{url}/v1/completions", json={"prompt": "a"}, timeout=20).status_code == 401


def test_it_can_be_closed_as_soon_as_it_is_open(file: Path) -> None:
    """Told to end before its loop runs it would wait forever; pytest-timeout would tell."""
    for _ in range(3):
        LlamaCppEngine(file, 1, CONTEXT)
        gc.collect()


def test_files_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "no.gguf").write_bytes(b"GGUF but not really")
    with pytest.raises(ModelError, match=r"llama.cpp can't open it"):
        LlamaCppEngine(tmp_path / "no.gguf", 1, 64)
    monkeypatch.setitem(__import__("sys").modules, "xllamacpp", None)
    with pytest.raises(MissingExtraError, match=r"groundup\[llama-cpp\]"):
        LlamaCppEngine(tmp_path / "no.gguf", 1, 64)
