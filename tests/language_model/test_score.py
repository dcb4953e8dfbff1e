"""How likely a text is: closed form, and a direct computation token by token."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from groundup.errors import GenerationError
from groundup.generation.context import context_start, default_slide
from groundup.language_model import GroundupWarning, LanguageModel, Score, token_losses
from groundup.language_model.token_losses import Window, window_losses
from groundup.model.settings import preset_config
from groundup.model.transformer import Transformer
from groundup.tokens.character import train_character_tokenizer

TEXTS = ["Speak", "", "hear me speak.\n\n" * 6, "k", "All:\nSpeak, " * 4]  # shorter and longer than the context of 32


@torch.no_grad()
def directly(model: Transformer, ids: list[int]) -> float:
    """One token at a time, each in the context that the engine would choose it from."""
    total, limit = 0.0, model.config.max_seq_len
    for place in range(1, len(ids)):
        context = ids[context_start(place, limit, default_slide(limit)) : place]
        total += model(torch.tensor([context]))[0, -1].log_softmax(-1)[ids[place]].item()
    return total


@pytest.mark.parametrize("at_once", [None, 1])
def test_scores_equal_a_direct_computation(
    language_model: LanguageModel, at_once: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one batch, and in batches of one."""
    if at_once is not None:
        monkeypatch.setattr(token_losses, "TOKENS_AT_ONCE", at_once)
    tokenizer = language_model.tokenizer
    assert tokenizer.end_id is not None
    for text, found in zip(TEXTS, language_model.score(TEXTS), strict=True):
        ids = [tokenizer.end_id, *tokenizer.encode(text)]
        assert found.log_likelihood == pytest.approx(directly(language_model.model, ids), rel=1e-5, abs=1e-6)
        assert (found.num_tokens, found.num_bytes) == (len(text), len(text))


def test_a_model_that_knows_nothing_gives_every_token_one_in_v() -> None:
    """Closed form: with all logits equal, -n ln V."""
    tokenizer = train_character_tokenizer(["añb"], byte_fallback=False)
    model = Transformer(preset_config("gpt2", vocab_size=tokenizer.vocab_size, d_model=8, num_heads=2, max_seq_len=4))
    torch.nn.init.zeros_(model.output_projection.weight)
    (found,) = LanguageModel(model, tokenizer).score(["ñab" * 5])
    assert found == Score(found.log_likelihood, num_tokens=15, num_bytes=20)
    assert found.log_likelihood == pytest.approx(-15 * math.log(tokenizer.vocab_size), rel=1e-6)


def test_without_an_end_token_the_first_token_is_only_read(language_model: LanguageModel) -> None:
    tokenizer = train_character_tokenizer(["Speak"], byte_fallback=False)
    tokenizer.end_id = None
    found = LanguageModel(language_model.model, tokenizer).score(["Speak", "S", ""])
    assert [one.num_tokens for one in found] == [4, 0, 0]
    assert found[0].log_likelihood == pytest.approx(directly(language_model.model, tokenizer.encode("Speak")), rel=1e-5)
    assert found[1].log_likelihood == 0.0


def test_unknown_characters_of_a_text_are_named(language_model: LanguageModel) -> None:
    with pytest.warns(GroundupWarning, match=r"1 of the text's 5 tokens are unknown to the model \('é'\)"):
        assert language_model.score(["Spéak"])[0].num_bytes == 6


def test_a_bare_text_is_refused(language_model: LanguageModel) -> None:
    with pytest.raises(GenerationError, match=r"score takes a list of texts: put the text in \[brackets\]"):
        language_model.score("Speak")


def test_no_texts_have_no_scores(language_model: LanguageModel) -> None:
    assert language_model.score([]) == []


def test_a_score_is_the_same_to_the_bit_whatever_the_threads(language_model: LanguageModel) -> None:
    before = torch.get_num_threads()
    ids = np.array(language_model.tokenizer.encode("hear me speak.\n\n" * 60))
    windows = [Window(ids, start, start + 1, min(start + 32, len(ids) - 1)) for start in range(0, len(ids) - 1, 32)]
    found = []
    try:
        for num_threads, batch_size in ((1, 4), (2, 4), (3, 4)):
            torch.set_num_threads(num_threads)
            found.append(window_losses(language_model.model, windows, batch_size))
    finally:
        torch.set_num_threads(before)
    assert len(found[0]) == len(windows)
    assert found[0] == found[1] == found[2]
