"""Settings of the [data] section."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from groundup.config import require
from groundup.text.cleaning.settings import CleaningSettings, QualitySettings
from groundup.text.duplicates.settings import DecontaminationSettings, DuplicateSettings
from groundup.text.privacy.settings import PrivacySettings

Split = Literal["auto", "documents", "tail"]


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
