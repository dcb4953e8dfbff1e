"""Texts that run at once: each is what `generate` gives, in whole characters, up to its stop text."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from groundup.errors import GenerationError
from groundup.generation.forward import last_logits
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
        engine.add(encode("Speak"), SETTINGS): ("Speak", SETTINGS),
        engine.add(encode("All:"), replace(SETTINGS, seed=7)): ("All:", replace(SETTINGS, seed=7)),
        engine.add(encode("Speak"), replace(SETTINGS, stop=(stop,))): ("Speak", replace(SETTINGS, stop=(stop,))),
        engine.add([], SETTINGS): ("", SETTINGS),
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
    length = engine.add(prompt, replace(SETTINGS, max_new_tokens=3), stop_ids=[], logprobs=1, prompt_logprobs=True)
    [first] = [token for piece in run(engine)[length][:1] for token in piece.tokens]
    assert first.logprob is not None
    assert len(first.likeliest) == 1
    assert first.prompt is not None
    assert len(first.prompt) == 4
    end = engine.add(prompt, SETTINGS, stop_ids=[first.id])
    samples = [engine.add(prompt, SETTINGS, sample=sample) for sample in (0, 1)]
    pushed = engine.add(prompt, replace(SETTINGS, max_new_tokens=2), logit_bias={prompt[0]: 100.0})
    found = run(engine)
    assert [(piece.text, piece.finish) for piece in found[end]] == [("", "stop")]
    assert text(found[samples[0]]) != text(found[samples[1]])
    assert (text(found[pushed]), found[pushed][-1].finish) == ("SS", "length")


def test_a_canceled_text_gives_nothing_more(language_model: LanguageModel) -> None:
    engine = TextEngine(language_model, num_slots=1)
    prompt = language_model.tokenizer.encode("Speak")
    first, second = engine.add(prompt, SETTINGS), engine.add(prompt, SETTINGS)
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
    ticket = engine.add(tokenizer.encode("b"), greedy)
    assert [piece.text for piece in run(engine)[ticket]] == ["a", "", "é", "", "", "€", "!", "?", "b"]
    ticket = engine.add(tokenizer.encode("b"), replace(greedy, stop=("€!?", "!x")))
    pieces = run(engine)[ticket]
    assert (text(pieces), pieces[-1].finish) == ("aé", "stop")


def test_a_replaced_pass_is_what_every_method_generates_with(language_model: LanguageModel) -> None:
    network, calls = last_logits(language_model.model), 0

    def counting(ids: Tensor, cache: KVCache) -> Tensor:
        nonlocal calls
        calls += 1
        return network(ids, cache)

    other = LanguageModel(language_model.model, language_model.tokenizer)
    other.forward = counting
    for generate in (other.generate, lambda text, **fields: other.complete(text, **fields)):
        calls = 0
        assert len(generate("Speak", max_new_tokens=5)) > 0
        assert calls >= 5
    assert other.generate("Speak", seed=3) == language_model.generate("Speak", seed=3)


def test_an_empty_prompt_without_an_end_token_is_refused(language_model: LanguageModel) -> None:
    tokenizer = train_character_tokenizer(["Speak"], byte_fallback=False)
    tokenizer.end_id = None
    engine = TextEngine(LanguageModel(language_model.model, tokenizer), num_slots=1)
    with pytest.raises(GenerationError, match="the prompt is empty and this model has no end token to start from"):
        engine.add([], SETTINGS)
