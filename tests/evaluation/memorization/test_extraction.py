"""Shares that came out, worked by hand: copies of one text are drawn as often as they stand there, and count once for chance."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest

from groundup.evaluation.intervals import proportion
from groundup.evaluation.memorization.extraction import Asked, prefixes_that_fit
from groundup.evaluation.memorization.settings import MemorizationSettings
from groundup.evaluation.memorization.sides import Side
from groundup.model.settings import preset_config
from groundup.model.transformer import Transformer

EVERY = np.ones(100, np.bool_)


def test_copies_of_one_text_count_once_for_chance() -> None:
    """A text in 80 copies that all come out, and 20 others of which one does: 81 of 100, and chance is that of 21 texts."""
    texts = np.array([0] * 80 + list(range(1, 21)), np.uint64)
    asked = Asked(texts, np.ones(100, np.int64), {5: np.arange(100) < 81})
    rate = asked.rate(5, EVERY)
    assert rate is not None
    assert (rate.value, rate.n) == (0.81, 21)
    assert rate.low < 0.2  # without that one text, next to nothing comes out
    assert rate.high > 0.85


def test_where_nothing_or_all_comes_out_the_interval_is_wilsons() -> None:
    texts = np.arange(100).astype(np.uint64) // 2
    asked = Asked(texts, np.ones(100, np.int64), {1: np.zeros(100, np.bool_), 2: EVERY})
    for prefix, expected in ((1, proportion(0, 50)), (2, proportion(50, 50))):
        rate = asked.rate(prefix, EVERY)
        assert rate is not None
        assert astuple(rate) == pytest.approx(astuple(expected))
    assert asked.rate(1, ~EVERY) is None


def test_texts_that_all_differ_have_the_share_of_rows() -> None:
    texts = np.arange(100).astype(np.uint64)
    rate = Asked(texts, np.ones(100, np.int64), {3: np.arange(100) < 30}).rate(3, EVERY)
    assert rate is not None
    assert (rate.value, rate.n) == (0.3, 100)
    assert rate == proportion(30, 100)


def test_a_single_long_document_does_not_stand_for_all() -> None:
    """A hundred documents of 60 tokens, and one of 400, which alone has room for 200 tokens and 50 more."""
    model = Transformer(preset_config("qwen3", vocab_size=5, d_model=8, num_layers=1, num_heads=1, max_seq_len=512))
    ends = np.cumsum(np.array([60] * 100 + [400]))
    side = Side(np.zeros(ends[-1], np.int32), ends, np.zeros(101, np.int64))
    assert prefixes_that_fit(model, side, MemorizationSettings(prefix_tokens=(10, 200))) == [10]
    long = Side(side.ids, np.cumsum(np.array([60] * 6 + [3000, 3040])), np.zeros(8, np.int64))
    assert prefixes_that_fit(model, long, MemorizationSettings(prefix_tokens=(10, 200))) == [10, 200]
    opened = Side(long.ids, long.ends, long.groups, (1, 2))
    tight = MemorizationSettings(prefix_tokens=(10, 462, 463))
    assert prefixes_that_fit(model, long, tight) == [10, 462, 463]
    assert prefixes_that_fit(model, opened, tight) == [10]  # two tokens before each row take room in the context
