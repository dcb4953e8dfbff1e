"""Settings of the [evaluation] section."""

from __future__ import annotations

from dataclasses import dataclass

from groundup.config import require


@dataclass(frozen=True)
class EvaluationSettings:
    """How a model is measured while it trains and when it is done."""

    max_tokens: int = 50_000
    """Validation tokens read at each evaluation in training, spread over the split; 0 for all. Final figures always use all."""
    batch_size: int = 32
    """The most windows to score at once."""

    def __post_init__(self) -> None:
        require(self.max_tokens >= 0, "evaluation.max_tokens", self.max_tokens, "use a whole number, or 0 for all")
        require(self.batch_size >= 1, "evaluation.batch_size", self.batch_size, "use a whole number of at least 1")
