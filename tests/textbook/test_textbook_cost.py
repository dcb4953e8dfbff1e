"""What a training takes, against the exact counts of the library and published trainings."""

from __future__ import annotations

import math

import pytest

from groundup.model.counts import parameter_counts, training_flops
from groundup.model.settings import TransformerConfig
from groundup.textbook import cost


def test_six_times_weights_and_tokens_is_nearly_the_exact_count_of_a_wide_network() -> None:
    config = TransformerConfig(
        vocab_size=50_257, d_model=2048, num_layers=24, num_heads=16, max_seq_len=512, tie_embeddings=True
    )
    exact = training_flops(config, 512, 512)
    assert cost.training_flops(parameter_counts(config)["total"], 512) == pytest.approx(exact, rel=0.05)


def test_gpt_3_took_what_its_paper_says() -> None:
    """Brown et al. 2020, table D.1: 3.14e23 operations for 175 billion weights and 300 billion tokens; 3,640 petaflop/s-days."""
    flops = cost.training_flops(174.6e9, 300e9)
    assert flops == pytest.approx(3.14e23, rel=0.005)
    assert cost.training_days(flops, 1, 1e15, 1.0) == pytest.approx(3640, rel=0.005)


def test_the_best_size_of_chinchillas_arithmetic_is_chinchilla() -> None:
    """Hoffmann et al. 2022, table 3: 67 billion weights and 1.5 trillion tokens at 5.76e23."""
    weights, tokens = cost.best_size(5.76e23)
    assert weights == pytest.approx(67e9, rel=0.05)
    assert tokens == pytest.approx(1.5e12, rel=0.1)
    assert cost.training_flops(weights, tokens) == pytest.approx(5.76e23)


def test_bytes_of_all_weights_of_adapters_and_of_shards() -> None:
    assert cost.state_bytes(1e9) == 16e9
    assert cost.state_bytes(1e9, num_trained=0.01e9) == pytest.approx(4.12e9)
    assert cost.state_bytes(1e9, num_devices=8) == 2e9


def test_no_other_interval_loses_less() -> None:
    def lost(interval: float) -> float:
        return 30 / interval + interval / 2 / 36_000

    best = cost.best_interval(30, 36_000)
    assert best == pytest.approx(math.sqrt(2 * 30 * 36_000))
    assert lost(best) < min(lost(0.9 * best), lost(1.1 * best))
