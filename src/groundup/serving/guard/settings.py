"""Settings of a guard's TOML file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from groundup.config import require, require_finite
from groundup.errors import NO_VALUE, SettingError
from groundup.text.privacy.settings import KINDS, Kind, Names, PrivacySettings

Action = Literal["off", "log", "redact", "refuse"]
"""What becomes of a text in which a check finds something; the later word is the stronger one."""
ACTIONS: tuple[Action, ...] = get_args(Action)
CheckName = Literal["personal_data", "words", "toxicity", "hooks"]
CHECK_NAMES: tuple[CheckName, ...] = get_args(CheckName)
Side = Literal["input", "output"]


@dataclass(frozen=True)
class SideSettings:
    """What becomes of findings on one side. off: not looked for; log: only told; redact: taken out; refuse: the text goes no further."""

    personal_data: Action = "off"
    """Of e-mail addresses, telephone numbers and the other kinds of `personal_data.kinds`."""
    words: Action = "off"
    """Of the words of `words.files`."""
    toxicity: Action = "off"
    """Of sentences that the classifier `toxicity.classifier` gives `toxicity.threshold` or more."""
    hooks: Action = "off"
    """Of what the functions report that the command line names with `--guard-hook`."""

    def action(self, check: CheckName) -> Action:
        """The action for a check."""
        action: Action = getattr(self, check)
        return action


@dataclass(frozen=True)
class OutputSettings(SideSettings):
    """What becomes of findings in what the model writes."""

    whole: bool = False
    """Hold the answer back until all of it is written and checked: nothing streams, and nothing leaves that is clear at the end only."""


@dataclass(frozen=True)
class PersonalDataSettings:
    """Which personal data is looked for."""

    kinds: tuple[Kind, ...] = KINDS
    """What is looked for."""
    names: Names = "context"
    """Persons' names. off: not found; context: after titles, greetings and the like; model: by a spaCy pipeline, too (extra `names`)."""
    names_model: str = "en_core_web_sm"
    """Of names = model: the installed spaCy pipeline, by its package's name or its folder."""

    def __post_init__(self) -> None:
        require(bool(self.kinds), "personal_data.kinds", self.kinds, f"choose at least one of {', '.join(KINDS)}")
        require(bool(self.names_model.strip()), "personal_data.names_model", self.names_model, "name a spaCy pipeline")

    def as_privacy(self) -> PrivacySettings:
        """The same in the terms of the recognizers."""
        return PrivacySettings("placeholder", self.kinds, self.names, self.names_model)


@dataclass(frozen=True)
class WordSettings:
    """Which words are looked for."""

    files: tuple[str, ...] = ()
    """Text files of words or phrases, one a line; `#` begins a comment, a `*` at the end is any ending. Paths begin at the guard's file."""


@dataclass(frozen=True)
class ToxicitySettings:
    """Which sentences count as toxic."""

    classifier: str = ""
    """The file that `groundup guard train` wrote. Its path begins at the guard's file."""
    threshold: float = 0.7
    """From which probability on, between 0 and 1, a sentence counts."""

    def __post_init__(self) -> None:
        require_finite("toxicity.threshold", self.threshold, exclusive=True)
        require(self.threshold < 1, "toxicity.threshold", self.threshold, "use a probability below 1")


@dataclass(frozen=True)
class GuardSettings:
    """All of a guard's file."""

    input: SideSettings = field(default_factory=SideSettings)
    output: OutputSettings = field(default_factory=OutputSettings)
    personal_data: PersonalDataSettings = field(default_factory=PersonalDataSettings)
    words: WordSettings = field(default_factory=WordSettings)
    toxicity: ToxicitySettings = field(default_factory=ToxicitySettings)
    audit: str = ""
    """The file that each finding is written to, a line of JSON without its text; none if empty. Its path begins at the guard's file."""

    def __post_init__(self) -> None:
        require(
            any(self.uses(check) for check in CHECK_NAMES),
            "guard",
            NO_VALUE,
            'no check is switched on, so nothing would be guarded; write e.g. personal_data = "redact" below [output]',
        )
        require(
            bool(self.words.files) or not self.uses("words"),
            "words.files",
            self.words.files,
            "the check of words is switched on; name a file of words",
        )
        require(
            bool(self.toxicity.classifier) or not self.uses("toxicity"),
            "toxicity.classifier",
            self.toxicity.classifier,
            "the check of toxicity is switched on; name a file that `groundup guard train` wrote",
        )
        require(
            self.personal_data.names != "model" or self.output.personal_data == "off" or self.output.whole,
            "personal_data.names",
            self.personal_data.names,
            "a pipeline judges a name by all that follows, so nothing may leave before the end; set output.whole = true, or use context",
        )

    def uses(self, check: CheckName) -> bool:
        """Whether a check is switched on, on either side."""
        return self.input.action(check) != "off" or self.output.action(check) != "off"


def path_of(setting: str, value: str, folder: Path) -> Path:
    """The path that a setting names, from `folder` on, with `~` filled in. Raises `SettingError` for what is none."""
    require("\0" not in value, setting, value, "no path can hold a NUL character; write another")
    try:
        return folder / Path(value).expanduser()
    except RuntimeError:
        raise SettingError(setting, value, "there is no such user; write the whole path") from None
