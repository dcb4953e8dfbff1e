"""Continuous batching in its plainest form: texts that come and go write what each writes alone."""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn

from groundup.textbook.continuous_batching import ContinuousBatch, KeyValueCache, read_one
from groundup.textbook.generation import generate_tokens
from groundup.textbook.language_model import SimpleLanguageModel

V, CONTEXT = 11, 16
PROMPTS = [([3], 9), ([1, 2, 3, 4, 5, 6], 2), ([7, 7], 12), ([2, 9, 4], 1), ([5, 6], 14), ([8], 3), ([10, 1, 0], 7)]


@pytest.fixture(scope="module")
def model() -> SimpleLanguageModel:
    """One that writes more than a single token over and over."""
    model = SimpleLanguageModel(V, 12, 3, 2, 20, CONTEXT).eval()
    generator = torch.Generator().manual_seed(6)
    for parameter in model.parameters():
        if parameter.ndim == 2:
            nn.init.normal_(parameter, generator=generator)
    return model


def written_alone(model: SimpleLanguageModel, prompt: list[int], num_new: int, end: int | None = None) -> list[int]:
    ids: list[int] = generate_tokens(model, torch.tensor([prompt]), num_new, 0.0, end)[0].tolist()
    return ids


def test_reading_one_by_one_gives_the_logits_of_reading_all(model: SimpleLanguageModel) -> None:
    ids = torch.randint(V, (3, CONTEXT), generator=torch.Generator().manual_seed(0))
    cache, rows = KeyValueCache(model, 5), torch.tensor([4, 0, 2])
    logits = torch.stack([read_one(model, cache, rows, ids[:, place]) for place in range(CONTEXT)], dim=1)
    torch.testing.assert_close(logits, model(ids), atol=1e-4, rtol=1e-4)
    assert cache.lengths.tolist() == [CONTEXT, 0, CONTEXT, 0, CONTEXT]


@pytest.mark.parametrize("num_rows", [1, 2, 3, 10])
@pytest.mark.parametrize("end", [None, 2])
def test_each_text_is_what_it_is_alone(model: SimpleLanguageModel, num_rows: int, end: int | None) -> None:
    batch = ContinuousBatch(model, num_rows, end)
    texts = [batch.add(*asked) for asked in PROMPTS[:4]]
    for _ in range(3):
        batch.step()
    texts += [batch.add(*asked) for asked in PROMPTS[4:]]  # these come while others are written
    while batch.running or batch.waiting:
        batch.step()
        assert len(batch.running) <= num_rows
    assert [text.ids for text in texts] == [written_alone(model, *asked, end) for asked in PROMPTS]
    batch.step()  # nothing to do


def test_a_row_is_taken_by_the_next_at_once(model: SimpleLanguageModel) -> None:
    """Each text takes as many steps as it has tokens that are read: all but its last one."""
    batch = ContinuousBatch(model, num_rows=2)
    for num_new in (9, 1, 1, 1, 1, 1):
        batch.add([1, 2], num_new)
    steps = 0
    while batch.running or batch.waiting:
        batch.step()
        steps += 1
    assert steps == 10  # the first takes 10, and the five of 2 each pass beside it


@pytest.mark.parametrize("asked", [([], 3), ([1], 0), ([1] * 10, 7)])
def test_what_has_no_place(model: SimpleLanguageModel, asked: tuple[list[int], int]) -> None:
    message = f"{len(asked[0])} tokens and {asked[1]} new ones: give at least one of each, and together at most the model's context, 16."
    with pytest.raises(ValueError, match=re.escape(message)):
        ContinuousBatch(model, 2).add(*asked)
