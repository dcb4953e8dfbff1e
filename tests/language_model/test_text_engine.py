"""Texts that run at once: each is what `generate` gives, in whole characters, up to its stop text."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from groundup.errors import GenerationError
from groundup.generation.forward import last_logits
from groundup.generation.request import Request
from groundup.generation.settings import GenerationSettings
from groundup.language_model import LanguageModel
from groundup.language_model.text_engine import Piece, TextEngine
from groundup.model.settings import preset_config
from groundup.model.transformer import KVCache, Transformer
from groundup.tokens.character import train_character_tokenizer

SETTINGS = GenerationSettings(max_new_tokens=40, temperature=1.0, seed=4)


def run(engine: TextEngine) -> dict[int, list[Piece]]:
    pieces: dict[int, list[Piece]] = {}
    while engine.busy:
        for piece in engine.step():
            pieces.setdefault(piece.ticket, []).append(piece)
    return pieces


def text(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


def test_texts_at_once_are_the_texts_one_by_one(language_model: LanguageModel) -> None:
    encode = language_model.tokenizer.encode
    whole = language_model.generate("Speak", max_new_tokens=40, temperature=1.0, seed=4)
    stop = whole[10:12]
    engine = TextEngine(language_model, num_slots=2)
    asked = {
        engine.add(Request(encode("Speak"), SETTINGS)): ("Speak", SETTINGS),
        engine.add(Request(encode("All:"), replace(SETTINGS, seed=7))): ("All:", replace(SETTINGS, seed=7)),
        engine.add(Request(encode("Speak"), replace(SETTINGS, stop=(stop,)))): (
            "Speak",
            replace(SETTINGS, stop=(stop,)),
        ),
        engine.add(Request([], SETTINGS)): ("", SETTINGS),
    }
    found = run(engine)
    for ticket, (prompt, settings) in asked.items():
        assert text(found[ticket]) == "".join(language_model.stream_with(prompt, settings))
        assert [piece.finish for piece in found[ticket][:-1]] == [None] * (len(found[ticket]) - 1)
    assert text(found[2]) == whole[: whole.index(stop)]
    assert found[2][-1].finish == "stop"
    assert (engine.num_running, engine.num_waiting, engine.cache_use.running) == (0, 0, 0)


def test_each_piece_has_its_token_and_the_last_says_why(language_model: LanguageModel) -> None:
    engine = TextEngine(language_model, num_slots=3)
    prompt = language_model.tokenizer.encode("Speak")
    length = engine.add(Request(prompt, replace(SETTINGS, max_new_tokens=3), 0, frozenset(), 1, prompt_logprobs=True))
    [first] = [token for piece in run(engine)[length][:1] for token in piece.tokens]
    assert first.logprob is not None
    assert len(first.likeliest) == 1
    assert first.prompt is not None
    assert len(first.prompt) == 4
    end = engine.add(Request(prompt, SETTINGS, stop_ids=frozenset({first.id})))
    samples = [engine.add(Request(prompt, SETTINGS, sample)) for sample in (0, 1)]
    pushed = engine.add(Request(prompt, replace(SETTINGS, max_new_tokens=2), logit_bias={prompt[0]: 100.0}))
    found = run(engine)
    assert [(piece.text, piece.finish) for piece in found[end]] == [("", "stop")]
    assert text(found[samples[0]]) != text(found[samples[1]])
    assert (text(found[pushed]), found[pushed][-1].finish) == ("SS", "length")


def test_a_canceled_text_gives_nothing_more(language_model: LanguageModel) -> None:
    engine = TextEngine(language_model, num_slots=1)
    prompt = language_model.tokenizer.encode("Speak")
    first, second = engine.add(Request(prompt, SETTINGS)), engine.add(Request(prompt, SETTINGS))
    assert [piece.ticket for piece in engine.step()] == [first]
    engine.cancel(first)
    assert text(run(engine)[second]) == "".join(language_model.stream_with("Speak", SETTINGS))
    engine.cancel(first)


def test_a_character_comes_whole_and_a_stop_text_across_tokens_is_kept_back() -> None:
    """Every byte a token."""
    tokenizer = train_character_tokenizer(["ab"], byte_fallback=True)
    wanted = tokenizer.encode("aé€!?b")
    shape = {"vocab_size": tokenizer.vocab_size, "d_model": 8, "num_layers": 1, "num_heads": 1, "max_seq_len": 32}
    language_model = LanguageModel(Transformer(preset_config("gpt2", **shape)), tokenizer)

    def dictating(ids: Tensor, cache: KVCache) -> Tensor:
        """Scores that make the text come out, whatever the network says."""
        cache.lengths = [length + ids.shape[1] for length in cache.lengths]
        logits = torch.zeros(len(ids), tokenizer.vocab_size)
        for row, length in enumerate(cache.lengths):
            logits[row, wanted[min(length, len(wanted)) - 1]] = 99.0
        return logits

    language_model.forward = dictating
    engine = TextEngine(language_model, num_slots=1)
    greedy = GenerationSettings(temperature=0.0, max_new_tokens=len(wanted))
    ticket = engine.add(Request(tokenizer.encode("b"), greedy))
    assert [piece.text for piece in run(engine)[ticket]] == ["a", "", "é", "", "", "€", "!", "?", "b"]
    ticket = engine.add(Request(tokenizer.encode("b"), replace(greedy, stop=("€!?", "!x"))))
    pieces = run(engine)[ticket]
    assert (text(pieces), pieces[-1].finish) == ("aé", "stop")


def test_a_replaced_pass_is_what_every_method_generates_with(
    language_model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, calls = last_logits(language_model.model), 0

    def counting(ids: Tensor, cache: KVCache) -> Tensor:
        nonlocal calls
        calls += 1
        return network(ids, cache)

    other = LanguageModel(language_model.model, language_model.tokenizer)
    other.forward = counting
    threads = list[int]()
    monkeypatch.setattr("torch.set_num_threads", threads.append)
    counting.own_threads = True  # type: ignore[attr-defined]
    for generate in (other.generate, lambda text, **fields: other.complete(text, **fields)):
        calls = 0
        threads.clear()
        assert len(generate("Speak", max_new_tokens=5)) > 0
        assert calls >= 5
        assert threads[0] == 1  # PyTorch's rest
    assert other.generate("Speak", seed=3) == language_model.generate("Speak", seed=3)


def test_a_step_that_raises_ends_the_texts_that_ran_and_no_other(
    language_model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here in the text of a token, after the engine's own step went well."""
    engine = TextEngine(language_model, num_slots=2)
    prompts = [language_model.tokenizer.encode(each) for each in ("Speak", "All:", "Speak")]
    tickets = [engine.add(Request(prompt, SETTINGS)) for prompt in prompts]
    engine.step()
    with monkeypatch.context() as patched:
        patched.setattr("groundup.language_model.text_engine.TextStream.add", lambda stream, token: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            engine.step()
    assert [engine.holds(ticket) for ticket in tickets] == [False, False, True]
    assert text(run(engine)[tickets[2]]) == "".join(language_model.stream_with("Speak", SETTINGS))


def test_an_empty_prompt_without_an_end_token_is_refused(language_model: LanguageModel) -> None:
    tokenizer = train_character_tokenizer(["Speak"], byte_fallback=False)
    tokenizer.end_id = None
    engine = TextEngine(LanguageModel(language_model.model, tokenizer), num_slots=1)
    with pytest.raises(GenerationError, match="the prompt is empty and this model has no end token to start from"):
        engine.add(Request([], SETTINGS))
