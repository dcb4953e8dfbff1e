"""Choosing tokens: closed forms, hand-worked cases, and properties that hold for any scores."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from torch import Tensor

from groundup.generation.sampling import (
    choose,
    keep_min_p,
    keep_top_k,
    keep_top_p,
    penalize_generated,
    penalize_repetition,
    warp_logits,
)
from groundup.generation.settings import GenerationSettings

ALMOST_ONE = 1 - 2**-53  # the largest number that a uniform draw gives
INFINITY = float("inf")


def uniforms(*numbers: float) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def kept(logits: Tensor) -> list[list[int]]:
    """The ids that stay in each row."""
    return [row.isfinite().nonzero().flatten().tolist() for row in logits]


finite_scores = st.floats(-1e4, 1e4, width=32) | st.integers(-3, 3).map(float)  # the second kind makes ties
score_rows = st.integers(1, 12).flatmap(
    lambda size: st.lists(st.lists(finite_scores, min_size=size, max_size=size), min_size=1, max_size=4)
)
any_settings = st.builds(
    GenerationSettings,
    temperature=st.just(0.0) | st.floats(5e-324, 1e6),
    top_k=st.integers(0, 15),
    top_p=st.floats(5e-324, 1.0),
    min_p=st.floats(0.0, 1.0),
    repetition_penalty=st.floats(1e-300, 1e300),
    presence_penalty=st.floats(-100, 100),
    frequency_penalty=st.floats(-100, 100),
)


@hypothesis_settings(max_examples=200, deadline=None)
@given(score_rows, any_settings, st.integers(0, 2**31), st.floats(0, ALMOST_ONE))
def test_any_settings_leave_the_likeliest_and_choose_a_token_that_is_left(
    rows: list[list[float]], settings: GenerationSettings, seed: int, uniform: float
) -> None:
    logits = torch.tensor(rows)
    seen = torch.rand(logits.shape, generator=torch.Generator().manual_seed(seed)) < 0.5
    counts = torch.randint(0, 5000, logits.shape, generator=torch.Generator().manual_seed(seed)) * seen
    warped = warp_logits(logits, settings, seen, counts)
    assert not warped.isnan().any()
    assert not (warped == INFINITY).any()
    ids = choose(warped, settings, torch.full((len(rows),), uniform, dtype=torch.float64))
    for row, chosen, ids_left in zip(warped, ids.tolist(), kept(warped), strict=True):
        assert int(row.argmax()) in ids_left
        assert chosen in ids_left


@pytest.mark.parametrize("temperature", [0.25, 1.0, 3.0])
def test_an_even_grid_of_uniforms_gives_each_token_its_share(temperature: float) -> None:
    """Closed form: of n evenly spaced uniforms, token i gets n · softmax(logits / temperature)_i, to within one."""
    logits, n = torch.tensor([0.5, -1.0, 2.0, 1.9, 0.0]), 10_000
    settings = GenerationSettings(temperature=temperature)
    grid = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    ids = choose(warp_logits(logits.repeat(n, 1), settings), settings, grid)
    weights = [math.exp(score / temperature) for score in logits.tolist()]
    for token, weight in enumerate(weights):
        assert abs((ids == token).sum().item() - n * weight / sum(weights)) <= 1


def test_the_first_id_whose_running_sum_exceeds_the_uniform_is_taken() -> None:
    logits = torch.tensor([[0.25, 0.5, 0.25]]).log().repeat(5, 1)
    ids = choose(logits, GenerationSettings(), uniforms(0.0, 0.2499, 0.2501, 0.7499, 0.7501))
    assert ids.tolist() == [0, 0, 1, 1, 2]


def test_tokens_without_probability_are_never_taken() -> None:
    logits = torch.tensor([[-INFINITY, 1.0, -INFINITY, 2.0, -INFINITY]]).repeat(2, 1)
    assert choose(logits, GenerationSettings(), uniforms(0.0, ALMOST_ONE)).tolist() == [1, 3]
    assert choose(logits, GenerationSettings(), uniforms(1.0, 1.0)).tolist() == [3, 3]  # a draw rounded up to 1


@pytest.mark.parametrize("temperature", [1e-8, 1e-30, 1e-300, 5e-324])
def test_a_tiny_temperature_is_greedy(temperature: float) -> None:
    logits = torch.tensor([[1.0, 3.0, 2.999, -1e6], [-5.0, -4.0, -4.5, 0.0]])
    settings = GenerationSettings(temperature=temperature, top_p=0.9, min_p=0.1)
    assert kept(warp_logits(logits, settings)) == [[1], [3]]
    assert choose(warp_logits(logits, settings), settings, uniforms(0.0, ALMOST_ONE)).tolist() == [1, 3]


def test_greedy_takes_the_highest_score_and_the_lowest_id_among_equals() -> None:
    settings = GenerationSettings(temperature=0.0, top_k=1, top_p=0.1)
    logits = torch.tensor([[1.0, 4.0, 2.0, 4.0]])
    assert choose(warp_logits(logits, settings), settings, uniforms(0.99)).tolist() == [1]


def test_repetition_penalty_by_hand() -> None:
    logits = torch.tensor([[4.0, -4.0, 0.0, 3.0]])
    seen = torch.tensor([[True, True, True, False]])
    assert penalize_repetition(logits, seen, 2.0).tolist() == [[2.0, -8.0, 0.0, 3.0]]
    greedy = GenerationSettings(temperature=0.0, repetition_penalty=2.0)
    assert choose(warp_logits(logits, greedy, seen), greedy, uniforms(0.0)).tolist() == [3]


def test_presence_and_frequency_penalties_by_hand() -> None:
    """Of tokens generated 0, 1, 2 and 3 times; after the repetition penalty, before the temperature."""
    logits, counts = torch.tensor([[4.0, 4.0, 4.0, -4.0]]), torch.tensor([[0.0, 1.0, 2.0, 3.0]])
    assert penalize_generated(logits, counts, 1.0, 0.0).tolist() == [[4.0, 3.0, 3.0, -5.0]]
    assert penalize_generated(logits, counts, 0.0, 0.5).tolist() == [[4.0, 3.5, 3.0, -5.5]]
    assert penalize_generated(logits, counts, 1.0, 0.5).tolist() == [[4.0, 2.5, 2.0, -6.5]]
    assert penalize_generated(logits, counts, -1.0, -0.5).tolist() == [[4.0, 5.5, 6.0, -1.5]]
    settings = GenerationSettings(temperature=0.5, repetition_penalty=2.0, presence_penalty=1.0, frequency_penalty=0.5)
    assert warp_logits(logits, settings, counts > 0, counts).tolist() == [[8.0, 1.0, 0.0, -21.0]]
    assert warp_logits(logits, settings, counts > 0).tolist() == [[8.0, 4.0, 4.0, -16.0]]  # nothing was generated
    assert warp_logits(logits, replace(settings, temperature=0.0), counts > 0, counts).tolist() == [
        [4.0, 0.5, 0.0, -10.5]
    ]


def test_equal_scores_stay_or_go_together() -> None:
    """A quarter each for four tokens: whatever limit cuts among them keeps all four."""
    logits = torch.tensor([[0.0, 0.0, 0.0, 0.0, -INFINITY]])
    assert kept(keep_top_k(logits, 1)) == [[0, 1, 2, 3]]
    assert kept(keep_top_p(logits, 0.3)) == [[0, 1, 2, 3]]
    assert kept(keep_min_p(logits, 1.0)) == [[0, 1, 2, 3]]


def test_top_p_keeps_what_a_stable_sort_from_the_likeliest_on_would() -> None:
    """In exact numbers: a token stays while those before it hold less than `top_p`."""
    logits = 3 * torch.randn(5, 3001, generator=torch.Generator().manual_seed(8))
    logits[:, 7] = -INFINITY
    for row, ids in zip(logits.double(), kept(keep_top_p(logits, 0.9)), strict=True):
        ordered, places = row.sort(descending=True, stable=True)
        before = ordered.softmax(-1).cumsum(-1) - ordered.softmax(-1)
        assert ids == sorted(places[before < 0.9].tolist())


def test_filters_by_hand() -> None:
    logits = torch.tensor([[0.5, 0.125, 0.3125, 0.0625]]).log()
    assert kept(keep_top_k(logits, 2)) == [[0, 2]]
    assert kept(keep_top_p(logits, 0.4999)) == [[0]]
    assert kept(keep_top_p(logits, 0.5001)) == [[0, 2]]  # 0.5 is not enough
    assert kept(keep_top_p(logits, 0.82)) == [[0, 1, 2]]
    assert kept(keep_min_p(logits, 0.2)) == [[0, 1, 2]]  # at least 0.1
    assert kept(keep_min_p(logits, 0.3)) == [[0, 2]]


def test_half_precision_scores_are_warped_in_single() -> None:
    warped = warp_logits(torch.tensor([[1.0, 2.0]], dtype=torch.bfloat16), GenerationSettings(temperature=0.3))
    assert warped.dtype == torch.float32
    assert warped.tolist() == torch.tensor([[1 / 0.3, 2 / 0.3]]).tolist()
