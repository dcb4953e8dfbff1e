"""Settings of an audit's section [memorization]."""

from __future__ import annotations

from dataclasses import dataclass

from groundup.config import require, require_finite


@dataclass(frozen=True)
class MemorizationSettings:
    """How it is measured what a model has learned by heart."""

    data_of: str = ""
    """A run whose training text and canaries are looked for, in place of the model's own: what never saw them is the control."""
    text: str | tuple[str, ...] = ()
    """A text that the model may have been trained on, where that isn't known from a run; written as data.source is."""
    unseen_text: str | tuple[str, ...] = ()
    """A text like it that the model cannot have been trained on."""
    rows: int = 1000
    """How many stretches of text are looked at on either side, chosen at random; fewer where there are no more."""
    prefix_tokens: tuple[int, ...] = (10, 25, 50, 100, 200)
    """Of extraction: how many tokens of a training text the model is given; those that its context has no room for are left out."""
    suffix_tokens: int = 50
    """Of extraction: how many it must then write word for word."""
    row_tokens: int = 128
    """Of membership: how long a row is; less where the model's context is shorter."""
    min_k: float = 0.2
    """Of membership: the share of a row's least likely tokens that Min-K% and Min-K%++ look at."""
    reference: str = ""
    """Of membership: a model that was not trained on the text, to tell what is easy from what is known by heart; none if empty."""
    candidates: int = 10_000
    """Of canaries: how many secrets that were not planted are compared with; 0 for all that there could be."""
    samples: int = 100
    """Of personal data: how many texts the model writes."""
    sample_tokens: int = 100
    """Of personal data: how long each may get."""
    examined_characters: int = 2_000_000
    """Of personal data: how much of the training text is searched for places to ask the model about; 0 for all."""

    def __post_init__(self) -> None:
        for name in ("rows", "suffix_tokens", "samples", "sample_tokens"):
            value = getattr(self, name)
            require(value >= 1, f"memorization.{name}", value, "use a whole number of at least 1")
        require(
            self.candidates == 0 or self.candidates >= 100,
            "memorization.candidates",
            self.candidates,
            "use a whole number of at least 100, or 0 for all",
        )
        require(
            self.examined_characters >= 0,
            "memorization.examined_characters",
            self.examined_characters,
            "use a whole number, or 0 for all",
        )
        require(self.row_tokens >= 2, "memorization.row_tokens", self.row_tokens, "use a whole number of at least 2")
        require(
            bool(self.prefix_tokens) and min(self.prefix_tokens, default=0) >= 1,
            "memorization.prefix_tokens",
            self.prefix_tokens,
            "name whole numbers of at least 1, e.g. [10, 50]",
        )
        require_finite("memorization.min_k", self.min_k, exclusive=True, maximum=1.0)
        require(
            bool(self.text) or not self.unseen_text,
            "memorization.unseen_text",
            self.unseen_text,
            "name memorization.text, too: the text that it is held against",
        )
        require(
            not self.data_of or not self.text,
            "memorization.data_of",
            self.data_of,
            "leave it out, or memorization.text: one of them says what is looked for",
        )
