"""Rotary positions: the table of rotations, and the ways of stretching it over a longer context."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from groundup.model.rope_settings import RopeScaling
from groundup.model.settings import TransformerConfig


def rotary_table(config: TransformerConfig) -> tuple[Tensor, Tensor]:
    """Cosine and sine of position · frequency, one of each a pair: two tables (max_seq_len, K/2)."""
    frequencies, factor = rotary_frequencies(config)
    angles = torch.outer(torch.arange(config.max_seq_len).float(), frequencies)  # (max_seq_len, K/2)
    return angles.cos() * factor, angles.sin() * factor


def for_both_halves(cosine: Tensor, sine: Tensor) -> tuple[Tensor, Tensor]:
    """Each pair's cosine and sine (…, K/2) for both its numbers (…, K), the first sine negative.

    A pair (x, y) turns into (x cos - y sin, y cos + x sin): with that sign, each number times the cosine plus its partner
    times the sine.
    """
    return torch.cat((cosine, cosine), dim=-1), torch.cat((-sine, sine), dim=-1)


def rotary_frequencies(config: TransformerConfig) -> tuple[Tensor, float]:
    """The angle by which each pair turns from one position to the next, theta^(-2i/K) before stretching: (K/2,);
    and what queries and keys are multiplied with."""
    scaling, original = config.rope_scaling, config.rope_scaling.original_max_seq_len or config.max_seq_len
    exponents = torch.arange(0, config.head_dim, 2, dtype=torch.int64).float() / config.head_dim
    wavelengths = config.rope_theta**exponents  # over 2π
    if scaling.type == "linear":
        return 1.0 / wavelengths / scaling.factor, 1.0
    if scaling.type == "llama3":
        return llama3_frequencies(1.0 / wavelengths, scaling, original), 1.0
    if scaling.type == "yarn":
        kept = 1 - _yarn_ramp(config, original)  # (K/2,): 1 where a wave stays, 0 where it is stretched
        frequencies = (1 - kept) / (scaling.factor * wavelengths) + kept / wavelengths
        return frequencies, scaling.attention_factor or yarn_attention_factor(scaling.factor)
    return 1.0 / wavelengths, 1.0


def yarn_attention_factor(factor: float, weight: float = 1.0) -> float:
    """What YaRN multiplies queries and keys with (Peng et al. 2023, §3.4): the root of 1/t for temperature t."""
    return 0.1 * weight * math.log(factor) + 1.0 if factor > 1 else 1.0


def llama3_frequencies(frequencies: Tensor, scaling: RopeScaling, original: int) -> Tensor:
    """As Llama 3.1 stretches: long waves by `factor`, short ones not, between them by degrees of how often they fit (its
    model card's reference code)."""
    fits = original * frequencies / (2 * math.pi)  # how often a wave fits into the original context
    share = (fits - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor)
    share = share.clamp(0, 1)  # 1: stays
    return (1 - share) * frequencies / scaling.factor + share * frequencies


def _yarn_ramp(config: TransformerConfig, original: int) -> Tensor:
    """How far each pair's wave is stretched, from 0 to 1 (Peng et al. 2023, §3.2, by pair numbers as in its code): (K/2,)."""

    def pair_that_turns(times: float) -> float:
        return config.head_dim * math.log(original / (times * 2 * math.pi)) / (2 * math.log(config.rope_theta))

    low, high = pair_that_turns(config.rope_scaling.beta_fast), pair_that_turns(config.rope_scaling.beta_slow)
    if config.rope_scaling.truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, config.head_dim - 1)
    if low == high:
        high += 0.001  # one step instead of a ramp
    return ((torch.arange(config.head_dim // 2).float() - low) / (high - low)).clamp(0, 1)
