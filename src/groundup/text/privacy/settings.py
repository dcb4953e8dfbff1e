"""Settings of the [privacy] section."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from groundup.config import require

Mode = Literal["none", "placeholder", "redact", "pseudonym", "drop"]
Kind = Literal["email", "phone", "address", "card", "iban", "national_id", "ip", "birth_date", "secret", "name"]
Names = Literal["off", "context", "model"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class PrivacySettings:
    """Which personal data is looked for in text, and what becomes of it before training."""

    mode: Mode = "none"
    """none: leave text as it is; placeholder: `<EMAIL>`; redact: take it out; pseudonym: the same value, the same stand-in; drop: the whole document."""
    kinds: tuple[Kind, ...] = KINDS
    """What is looked for."""
    names: Names = "context"
    """How persons' names are found. off: not; context: after titles, greetings and the like; model: by a spaCy pipeline, too (extra `names`)."""
    names_model: str = "en_core_web_sm"
    """Of names = model: the installed spaCy pipeline, by its package's name or its folder."""
    key_variable: str = "GROUNDUP_PSEUDONYM_KEY"
    """Of mode = pseudonym: the environment variable with the secret key, or with the path of a file that holds it. Only this name is kept, never the key."""

    def __post_init__(self) -> None:
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        require(
            bool(self.kinds) and not unknown,
            "privacy.kinds",
            self.kinds,
            f"choose at least one of {', '.join(KINDS)}",
        )
        require(bool(self.names_model.strip()), "privacy.names_model", self.names_model, "name a spaCy pipeline")
        require(
            self.key_variable.isidentifier(),
            "privacy.key_variable",
            self.key_variable,
            "name an environment variable, e.g. GROUNDUP_PSEUDONYM_KEY",
        )
