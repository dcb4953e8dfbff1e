"""Settings of low-rank adaptation, the [training.lora] section. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from groundup.config import require, require_finite

MOST_ALPHA = 1e6
TARGET_PRESETS = ("attention", "all-linear")


@dataclass(frozen=True)
class LoraSettings:
    """Low-rank adaptation (Hu et al. 2021): beside a frozen matrix W stand two narrow ones, and W + scale · B A is what acts."""

    rank: int = 16
    """How narrow: A is (rank, in), B is (out, rank)."""
    alpha: float = 32.0
    """The scale is alpha / rank."""
    dropout: float = 0.1
    """Share of A's inputs that are zeroed in training."""
    rank_stabilized: bool = False
    """The scale is alpha / √rank instead, which suits high ranks (Kalajdzievski 2023, rsLoRA)."""
    targets: str | tuple[str, ...] = "attention"
    """Which matrices: attention, all-linear (attention and feed-forward), or a list of the family's names, e.g. ["q_proj", "v_proj"]
    (GPT-2: "c_attn")."""

    def __post_init__(self) -> None:
        require(self.rank >= 1, "training.lora.rank", self.rank, "use a whole number of at least 1")
        require_finite("training.lora.alpha", self.alpha, exclusive=True, maximum=MOST_ALPHA)
        require(
            0 <= self.dropout < 1,
            "training.lora.dropout",
            self.dropout,
            "use a share from 0 up to, not including, 1",
        )
        names = (self.targets,) if isinstance(self.targets, str) else self.targets
        require(
            bool(names) and all(name.strip() for name in names),
            "training.lora.targets",
            self.targets,
            f"use {', '.join(TARGET_PRESETS)}, or a list of the family's names of matrices",
        )


def stands_for(target: str, name: str) -> bool:
    """Whether a target means this matrix: it is its full name, or the end of it, from a dot on, as in PEFT."""
    return name == target or name.endswith(f".{target}")
