"""What `groundup audit` can look for, and how: names and settings, without torch."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from groundup.config import build, merge, parse_overrides, read_toml, require
from groundup.errors import SettingError
from groundup.evaluation.fairness.settings import FairnessSettings
from groundup.evaluation.memorization.settings import MemorizationSettings

AUDIT_NAMES = ("extraction", "canaries", "membership", "personal_data", "bias", "toxicity", "refusals")
"""Every audit there is, in the order in which they are made; `recipe.audit.AUDITS` has a function for each."""


@dataclass(frozen=True)
class AuditSettings:
    """How a model is audited."""

    seed: int = 0
    """Of all that is drawn: which rows are looked at, what is sampled."""
    memorization: MemorizationSettings = field(default_factory=MemorizationSettings)
    """What the model may have learned by heart."""
    fairness: FairnessSettings = field(default_factory=FairnessSettings)
    """Whom the model treats how, and what it says that hurts."""

    def __post_init__(self) -> None:
        require(self.seed >= 0, "seed", self.seed, "use a whole number of at least 0")


def read_audit_settings(file: Path | None, overrides: Iterable[str] = ()) -> AuditSettings:
    """Defaults, over them the TOML file if there is one, over these `section.key=value`. Raises `SettingError`."""
    values = {} if file is None else read_toml(file)
    return build(AuditSettings, merge(AuditSettings, values, parse_overrides(AuditSettings, overrides)))


def read_audit_names(text: str) -> tuple[str, ...]:
    """`"canaries, extraction"` as names, in the order of `AUDIT_NAMES`. Raises `SettingError` for one that there isn't."""
    asked = [name.strip() for name in text.split(",") if name.strip()]
    for name in asked:
        if name not in AUDIT_NAMES:
            close = difflib.get_close_matches(name.replace("-", "_"), AUDIT_NAMES, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(AUDIT_NAMES)}"
            raise SettingError("--only", name, f"there is no such audit; {hint}")
    if not asked:
        raise SettingError("--only", text, f"name an audit or several, separated by commas: {', '.join(AUDIT_NAMES)}")
    return tuple(name for name in AUDIT_NAMES if name in asked)
