"""Settings of the [generation] section, and of every call that generates."""

from __future__ import annotations

from dataclasses import dataclass

from groundup.config import require, require_finite


@dataclass(frozen=True)
class GenerationSettings:
    """How the next token is chosen, and when to stop."""

    max_new_tokens: int = 200
    """The most tokens to add."""
    temperature: float = 0.8
    """Divides the logits: below 1 safer, above 1 wilder; 0 takes the likeliest token always (greedy)."""
    top_k: int = 0
    """Sample from this many likeliest tokens only; 0 for no limit."""
    top_p: float = 1.0
    """Sample from the likeliest tokens that together hold this much probability; 1 for all (nucleus sampling)."""
    min_p: float = 0.0
    """Leave out tokens less likely than this share of the likeliest one's probability; 0 for none."""
    repetition_penalty: float = 1.0
    """Divide the positive logits of tokens already there by this, multiply the negative ones; 1 for none."""
    presence_penalty: float = 0.0
    """Taken off the logits of tokens that were generated already (not of the prompt's), however often; below 0 added. 0 for none."""
    frequency_penalty: float = 0.0
    """Taken off the same for each time that they were generated; 0 for none."""
    stop: tuple[str, ...] = ()
    """Texts that end the generation; they are not part of what is returned."""
    seed: int = 0
    """Sample i of a call follows from (seed, i) alone."""
    language: str = ""
    """Which language to write in, e.g. de, of a model that was trained with language tags; empty leaves it to the model."""
    num_samples: int = 1
    """How many continuations of the prompt to make, in one batch."""

    def __post_init__(self) -> None:
        require(
            self.max_new_tokens >= 1,
            "generation.max_new_tokens",
            self.max_new_tokens,
            "use a whole number of at least 1",
        )
        require_finite("generation.temperature", self.temperature)
        require(self.top_k >= 0, "generation.top_k", self.top_k, "use a whole number of at least 1, or 0 for no limit")
        require(
            0 < self.top_p <= 1, "generation.top_p", self.top_p, "use a share above 0 and up to 1; 1 keeps every token"
        )
        require(0 <= self.min_p <= 1, "generation.min_p", self.min_p, "use a share from 0 to 1; 0 keeps every token")
        require_finite("generation.repetition_penalty", self.repetition_penalty, exclusive=True)
        for name in ("presence_penalty", "frequency_penalty"):
            penalty = getattr(self, name)
            require(abs(penalty) <= 100, f"generation.{name}", penalty, "use a number from -100 to 100; 0 for none")
        require(all(self.stop), "generation.stop", self.stop, "an empty stop text would stop at once; leave it out")
        require(0 <= self.seed < 2**63, "generation.seed", self.seed, "use a whole number from 0 to 2^63 - 1")
        require(self.num_samples >= 1, "generation.num_samples", self.num_samples, "use a whole number of at least 1")
