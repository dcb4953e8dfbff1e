"""Each filter, and all together, give what the classes of `transformers` give."""

from __future__ import annotations

from collections.abc import Callable

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from groundup.generation.sampling import (
    keep_min_p,
    keep_top_k,
    keep_top_p,
    penalize_repetition,
    scale_temperature,
    warp_logits,
)
from groundup.generation.settings import GenerationSettings

scores = st.floats(-50, 50, width=32)
tied_scores = st.integers(-2, 2).map(float)


def rows_of(score: st.SearchStrategy[float]) -> st.SearchStrategy[Tensor]:
    row = st.integers(1, 12).flatmap(
        lambda size: st.lists(st.lists(score, min_size=size, max_size=size), min_size=1, max_size=3)
    )
    return row.map(torch.tensor)


any_rows = rows_of(scores) | rows_of(tied_scores)
many = settings(max_examples=150, deadline=None)


def assert_equal_to(theirs: Callable[[Tensor, Tensor], Tensor], ours: Tensor, logits: Tensor) -> None:
    assert torch.equal(ours, theirs(torch.zeros(len(logits), 0, dtype=torch.long), logits))


@many
@given(any_rows, st.floats(1e-6, 100))
def test_temperature(logits: Tensor, temperature: float) -> None:
    assert_equal_to(TemperatureLogitsWarper(temperature), scale_temperature(logits, temperature), logits)


@many
@given(any_rows, st.integers(1, 15))
def test_top_k(logits: Tensor, k: int) -> None:
    assert_equal_to(TopKLogitsWarper(k), warp_logits(logits, GenerationSettings(temperature=1.0, top_k=k)), logits)
    if k <= logits.shape[-1]:
        assert_equal_to(TopKLogitsWarper(k), keep_top_k(logits, k), logits)


@many
@given(any_rows, st.floats(0.0, 1.0))
def test_min_p(logits: Tensor, min_p: float) -> None:
    assert_equal_to(MinPLogitsWarper(min_p), keep_min_p(logits, min_p), logits)


@many
@given(any_rows, st.floats(0.01, 0.99))
def test_top_p(logits: Tensor, top_p: float) -> None:
    """Where the limit falls among equal scores, `transformers` keeps those that its sort put last; we keep them all."""
    ours = keep_top_p(logits, top_p)
    theirs = TopPLogitsWarper(top_p)(torch.zeros(len(logits), 0, dtype=torch.long), logits)
    for row, mine, other in zip(logits, ours, theirs, strict=True):
        lowest = row[other.isfinite()].min()
        assert torch.equal(mine.isfinite(), row >= lowest)
        if row.unique().numel() == row.numel():
            assert torch.equal(mine, other)


@many
@given(any_rows, st.floats(0.1, 10.0), st.integers(0, 99))
def test_repetition_penalty(logits: Tensor, penalty: float, seed: int) -> None:
    ids = torch.randint(logits.shape[-1], (len(logits), 4), generator=torch.Generator().manual_seed(seed))
    seen = torch.zeros_like(logits, dtype=torch.bool).scatter_(1, ids, True)
    theirs = RepetitionPenaltyLogitsProcessor(penalty)(ids, logits)
    assert torch.equal(penalize_repetition(logits, seen, penalty), theirs)


def test_all_together_in_the_order_of_generate() -> None:
    """`transformers` samples itself and shows the scores before and after its own chain."""
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=40, n_positions=32, n_embd=16, n_layer=1, n_head=2, initializer_range=1.0)
    model = GPT2LMHeadModel(config).eval()
    prompt = torch.randint(40, (3, 5))
    chain = {"temperature": 0.7, "top_k": 12, "top_p": 0.8, "min_p": 0.02, "repetition_penalty": 1.7}
    out = model.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        do_sample=True,
        max_new_tokens=20,
        pad_token_id=0,
        eos_token_id=None,
        return_dict_in_generate=True,
        output_scores=True,
        output_logits=True,
        **chain,
    )
    for step, (raw, warped) in enumerate(zip(out.logits, out.scores, strict=True)):
        ids = out.sequences[:, : 5 + step]
        seen = torch.zeros_like(raw, dtype=torch.bool).scatter_(1, ids, True)
        assert torch.equal(warp_logits(raw, GenerationSettings(**chain), seen), warped)  # type: ignore[arg-type]
