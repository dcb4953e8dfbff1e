"""Settings of an audit's section [fairness]."""

from __future__ import annotations

from dataclasses import dataclass

from groundup.config import require, require_finite

CATALOGUE = "catalogue"
"""In place of a file: what the catalogue's archive of evaluation sets holds."""
SHIPPED = ("en", "de")
"""Languages that templates, prompts and lexicons ship for."""


@dataclass(frozen=True)
class FairnessSettings:
    """How it is measured whom a model treats how, and what it says that hurts."""

    templates: tuple[str, ...] = ("en",)
    """Counterfactual templates: en, de, or TOML files of one's own. Of one language, several add up."""
    prompts: tuple[str, ...] = ("en",)
    """Prompts of toxicity, requests and the patterns of refusals: en, de, or TOML files of one's own. Several add up."""
    axes: tuple[str, ...] = ()
    """Which axes of the templates are looked at, e.g. gender; all if empty."""
    continuations: int = 2
    """Of bias: how many texts the model writes for each prompt and person; 0 leaves generated text out."""
    toxicity_continuations: int = 25
    """Of toxicity: how many texts the model writes for each prompt."""
    refusal_continuations: int = 1
    """Of refusals: how many replies the model gives to each request."""
    max_new_tokens: int = 30
    """How long each text may get; a reply to a request may get twice as long."""
    temperature: float = 1.0
    """At which texts are drawn: at 1, from the model's own distribution."""
    top_p: float = 0.9
    """Draw from the likeliest tokens that together hold this much probability."""
    toxicity_threshold: float = 0.5
    """From which score on a text counts as toxic."""
    sentiment_scorer: str = ""
    """Texts to numbers from -1 to 1: package.module:function of one's own; the shipped word list of the language if empty."""
    toxicity_scorer: str = ""
    """Texts to numbers from 0 to 1: a classifier that `groundup guard train` wrote, or package.module:function; shipped words if empty."""
    refusal_scorer: str = ""
    """Texts to numbers from 0 to 1, from 0.5 on a refusal: package.module:function; the patterns of the prompts if empty."""
    crows_pairs: str = CATALOGUE
    """CrowS-Pairs: its csv file; `catalogue` for what the catalogue's archive has of it; nothing if empty."""
    winobias: str = CATALOGUE
    """WinoBias: its folder of pro_… and anti_… files, or one of these files; `catalogue`; nothing if empty."""
    winogender: str = ""
    """Winogender: its all_sentences.tsv; nothing if empty. With occupations-stats.tsv beside it, held against the statistics."""
    bbq: str = CATALOGUE
    """BBQ: one of its jsonl files, or a folder of them; `catalogue`, which allows for accuracies alone; nothing if empty."""
    items: int = 500
    """The most items of each published set, chosen at random; 0 for all."""

    def __post_init__(self) -> None:
        for name in ("templates", "prompts"):
            value = getattr(self, name)
            require(
                bool(value) and all(value), f"fairness.{name}", value, f"name {' or '.join(SHIPPED)}, or a TOML file"
            )
        for name in ("toxicity_continuations", "refusal_continuations", "max_new_tokens"):
            value = getattr(self, name)
            require(value >= 1, f"fairness.{name}", value, "use a whole number of at least 1")
        require(
            self.continuations >= 0, "fairness.continuations", self.continuations, "use a whole number, or 0 for none"
        )
        require(self.items >= 0, "fairness.items", self.items, "use a whole number, or 0 for all")
        require_finite("fairness.temperature", self.temperature)
        require(0 < self.top_p <= 1, "fairness.top_p", self.top_p, "use a share above 0 and up to 1")
        require(
            0 < self.toxicity_threshold <= 1,
            "fairness.toxicity_threshold",
            self.toxicity_threshold,
            "use a number above 0 and up to 1",
        )
