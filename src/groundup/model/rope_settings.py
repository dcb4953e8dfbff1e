"""How rotary positions are stretched over a longer context than they were learned with. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from groundup.config import require, require_finite

RopeType = Literal["default", "linear", "llama3", "yarn"]

USED_BY_TYPE: dict[str, tuple[str, ...]] = {
    "default": (),
    "linear": ("factor",),
    "llama3": ("factor", "original_max_seq_len", "low_freq_factor", "high_freq_factor"),
    "yarn": ("factor", "original_max_seq_len", "beta_fast", "beta_slow", "attention_factor", "truncate"),
}
"""Which settings each type looks at."""


@dataclass(frozen=True)
class RopeScaling:
    """A pretrained model's way to a longer context. What its `type` doesn't look at must stay as it is."""

    type: RopeType = "default"
    """default: as learned; linear: every wavelength `factor` times as long (Chen et al. 2023); llama3: only the long ones; yarn: the
    long ones, and attention is sharpened (Peng et al. 2023)."""
    factor: float = 1.0
    """How many times as long a wavelength becomes."""
    original_max_seq_len: int = 0
    """Of llama3 and yarn: the context that the wavelengths were learned with; 0 takes max_seq_len."""
    low_freq_factor: float = 1.0
    """Of llama3: waves that fit into the original context fewer times than this become `factor` times as long."""
    high_freq_factor: float = 4.0
    """Of llama3: waves that fit into it more often than this stay; those between become longer in part."""
    beta_fast: float = 32.0
    """Of yarn: waves that fit into the original context more often than this stay."""
    beta_slow: float = 1.0
    """Of yarn: waves that fit into it fewer times than this become `factor` times as long."""
    attention_factor: float = 0.0
    """Of yarn: what queries and keys are multiplied with; 0 takes 0.1 ln(factor) + 1."""
    truncate: bool = True
    """Of yarn: round the bounds between staying and stretching to whole wavelengths."""

    def __post_init__(self) -> None:
        name = "model.rope_scaling."
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name != "type" and field.name not in USED_BY_TYPE[self.type]:
                require(
                    value == field.default,
                    name + field.name,
                    value,
                    f"leave it out: model.rope_scaling.type = {self.type!r} doesn't look at it",
                )
        require_finite(name + "factor", self.factor, minimum=1.0, maximum=1e6)
        require(
            self.original_max_seq_len >= 0, name + "original_max_seq_len", self.original_max_seq_len, "use 0 or more"
        )
        for one, other in (("low_freq_factor", "high_freq_factor"), ("beta_slow", "beta_fast")):
            low, high = getattr(self, one), getattr(self, other)
            require_finite(name + one, low, minimum=1e-6, maximum=1e6)
            require_finite(name + other, high, minimum=1e-6, maximum=1e6)
            require(low < high, name + other, high, f"it must be above {one} = {low:g}")
        require_finite(name + "attention_factor", self.attention_factor, maximum=1e6)
