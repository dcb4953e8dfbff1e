"""Settings of the section [data.canaries]."""

from __future__ import annotations

from dataclasses import dataclass

from groundup.config import require

PLACE = "{secret}"
MOST_DIGITS = 12
MOST_PLANTED = 1_000_000


@dataclass(frozen=True)
class CanarySettings:
    """Made-up secrets, planted in the training text and never in what is held out (Carlini et al. 2019, The Secret Sharer)."""

    count: int = 0
    """How many different ones are planted for each number of copies; 0 plants none."""
    copies: tuple[int, ...] = (1, 10, 100)
    """How often each is planted."""
    format: str = "The combination of the safe is {secret}."
    """The line that is planted; digits are drawn for {secret}."""
    digits: int = 6
    """How many: 6 make a million secrets that there could be."""
    seed: int = 0
    """What the digits and the places follow from. Whoever knows it and the format knows the secrets: reports and cards leave it out."""

    def __post_init__(self) -> None:
        require(self.count >= 0, "data.canaries.count", self.count, "use a whole number, or 0 for none")
        require(
            bool(self.copies) and min(self.copies, default=0) >= 1 and len(set(self.copies)) == len(self.copies),
            "data.canaries.copies",
            self.copies,
            "name whole numbers of at least 1, each once, e.g. [1, 10, 100]",
        )
        require(
            self.format.count(PLACE) == 1 and self.format.splitlines() == [self.format],
            "data.canaries.format",
            self.format,
            f"write one line with {PLACE} once, for the digits",
        )
        require(
            not self.format.startswith(PLACE),
            "data.canaries.format",
            self.format,
            f"let words come before {PLACE}: the model is asked what comes after them",
        )
        require(
            1 <= self.digits <= MOST_DIGITS,
            "data.canaries.digits",
            self.digits,
            f"use a whole number from 1 to {MOST_DIGITS}",
        )
        require(self.seed >= 0, "data.canaries.seed", self.seed, "use a whole number of at least 0")
        require(
            2 * self.num_different <= self.num_secrets,
            "data.canaries.digits",
            self.digits,
            f"use more: {self.num_different:,} secrets are planted, and at least as many must be left to compare them with",
        )
        require(
            self.count * sum(self.copies) <= MOST_PLANTED,
            "data.canaries.count",
            self.count,
            f"use fewer: with their copies there may be {MOST_PLANTED:,} lines",
        )

    @property
    def num_different(self) -> int:
        """How many different secrets are planted."""
        return self.count * len(self.copies)

    @property
    def num_planted(self) -> int:
        """How many lines are planted."""
        return self.count * sum(self.copies)

    @property
    def num_secrets(self) -> int:
        """How many secrets there could be, |R|."""
        return int(10**self.digits)

    def line(self, secret: str) -> str:
        """The format with a secret in its place."""
        return self.format.replace(PLACE, secret)
