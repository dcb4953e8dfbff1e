"""Settings of the [data] section."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from groundup.config import require, require_finite
from groundup.text.canaries.settings import CanarySettings
from groundup.text.cleaning.settings import CleaningSettings, QualitySettings
from groundup.text.duplicates.settings import DecontaminationSettings, DuplicateSettings
from groundup.text.privacy.settings import PrivacySettings

Split = Literal["auto", "documents", "tail"]
Packing = Literal["stream", "best_fit", "documents"]
Template = Literal["auto", "chatml", "llama3", "alpaca"]
MOST_TEMPERATURE = 100


@dataclass(frozen=True)
class DataSettings:
    """Where the text comes from, and how much of it is held out."""

    source: str | tuple[str, ...] = "shakespeare"
    """A catalogue name, a file, a folder, a glob pattern, an address with its sha256, `-` (standard input), or a list of these."""
    validation_fraction: float = 0.1
    """Share of the text held out for validation."""
    split: Split = "auto"
    """documents: whole ones, chosen by hash; tail: the end of each; auto: documents when there are 10 or more."""
    text_field: str = "text"
    """Under which key or column the text of rows is found (.jsonl, .csv, .parquet)."""
    skip_bad: bool = False
    """Leave out files and rows that can't be read, counted and named, where otherwise the first one ends it."""
    validation_source: str | tuple[str, ...] = ()
    """Hold out this text instead, and nothing of `source`; written as `source` is."""
    mix_by: Literal["source", "language"] = "source"
    """What `weights` and `temperature` tell apart: sources, or what a document's metadata gives as its `language`."""
    weights: dict[str, float] = field(default_factory=dict)
    """How much each source (or language) is of what training reads, by name, e.g. {de = 2, en = 1}; empty: as much as there is of it."""
    temperature: float = 1.0
    """Instead of weights: each is read by its size to the power 1/temperature. 1: as much as there is; 3: more of what is rare."""
    language_tags: bool = False
    """Each document begins with a special token such as `<|lang_de|>`, by which a language can be asked for; needs mix_by = "language"."""
    packing: Packing = "stream"
    """stream: windows cut from the text as it lies there; best_fit: rows of whole documents that fit together, and padding;
    documents: a row for each, batches of like lengths, as wide as their longest."""
    document_attention: Literal["all", "own"] = "all"
    """What a token sees of a row with several documents: all before it, or its own document only, whose positions count from 0."""
    template: Template = "auto"
    """How conversations are written: chatml, llama3 or alpaca; auto: as the base model's tokenizer says, else alpaca."""
    check_labels: bool = True
    """Refuse conversations that teach nothing, or that never teach where an answer ends; false: train all the same."""
    fim_rate: float = 0.0
    """Share of training documents whose middle is put last, to learn to fill it in (for code about 0.5); 0 for none."""
    fim_suffix_first_rate: float = 0.5
    """Share of those in which the suffix comes ahead of the prefix."""

    cleaning: CleaningSettings = field(default_factory=CleaningSettings)
    """What is mended in each document, and which languages are kept."""
    quality: QualitySettings = field(default_factory=QualitySettings)
    """Which published rules a document is held to."""
    duplicates: DuplicateSettings = field(default_factory=DuplicateSettings)
    """Which documents count as copies of one before them."""
    decontamination: DecontaminationSettings = field(default_factory=DecontaminationSettings)
    """Which documents count as holding evaluation text."""
    privacy: PrivacySettings = field(default_factory=PrivacySettings)
    """Which personal data is looked for, and what becomes of it."""
    canaries: CanarySettings = field(default_factory=CanarySettings)
    """Made-up secrets that are planted, to measure later whether they were learned by heart."""

    @property
    def rows_are_text_alone(self) -> bool:
        """Whether a row of text is as many ids as every other and nothing beside them: no padding, and not each token's document."""
        return self.packing == "stream" and self.document_attention == "all"

    def __post_init__(self) -> None:
        sources = (self.source,) if isinstance(self.source, str) else self.source
        require(
            bool(sources) and all(source.strip() for source in sources),
            "data.source",
            self.source,
            "name a catalogue entry, a file, a folder or a glob pattern, e.g. data.source=./my-texts",
        )
        require(
            0 < self.validation_fraction < 1,
            "data.validation_fraction",
            self.validation_fraction,
            "use a share between 0 and 1, e.g. 0.1",
        )
        for name in ("fim_rate", "fim_suffix_first_rate"):
            require(0 <= getattr(self, name) <= 1, f"data.{name}", getattr(self, name), "use a share from 0 to 1")
        require(
            1 <= self.temperature <= MOST_TEMPERATURE,
            "data.temperature",
            self.temperature,
            f"use a number from 1 (as much as there is) to {MOST_TEMPERATURE} (nearly as much of each)",
        )
        for weight in self.weights.values():
            require_finite("data.weights", weight, exclusive=True)
        require(
            not self.language_tags or self.mix_by == "language",
            "data.language_tags",
            self.language_tags,
            "use it with data.mix_by = 'language', which tells the documents' languages apart",
        )
        require(
            not self.language_tags or self.fim_rate == 0,
            "data.language_tags",
            self.language_tags,
            "leave it out, or data.fim_rate: a document that is turned has tokens of its own before it",
        )
        require(
            not self.weights or self.temperature == 1,
            "data.temperature",
            self.temperature,
            "leave it out, or data.weights: each decides the shares by itself",
        )
