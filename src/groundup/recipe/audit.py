"""`audit`: what a model learned by heart, and whom it treats how. One function for each audit, in a plain table."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from groundup.config import as_plain, build, from_dotted
from groundup.errors import AuditError
from groundup.evaluation.audit_result import AuditResult
from groundup.files import sha256_text
from groundup.language_model import LanguageModel
from groundup.language_model.locate import find_model
from groundup.recipe.audit_fairness import FAIRNESS_AUDITS
from groundup.recipe.audit_input import AuditInput
from groundup.recipe.audit_memorization import MEMORIZATION_AUDITS
from groundup.recipe.audit_settings import AUDIT_NAMES, AuditSettings, read_audit_names
from groundup.recipe.keep_evaluation import keep_measurement
from groundup.recipe.under_way import Begin, unseen
from groundup.run.directory import MODEL_FOLDER

Audit = Callable[[AuditInput], AuditResult]

AUDITS: Mapping[str, Audit] = {**MEMORIZATION_AUDITS, **FAIRNESS_AUDITS}
"""Each audit by its name, as `AUDIT_NAMES` has them."""


def _warn(text: str) -> None:
    warnings.warn(text.removeprefix("warning: "), stacklevel=2)


def _once(say: Callable[[str], None]) -> Callable[[str], None]:
    """Several audits read the same text, some of them without what was planted; what there is to say of it is said once."""
    told = set[str]()

    def say_new(text: str) -> None:
        if text not in told:
            told.add(text)
            say(text)

    return say_new


def audit(
    model: str | Path,
    only: str | Sequence[str] = (),
    settings: AuditSettings | Mapping[str, Any] | None = None,
    say: Callable[[str], None] = _warn,
    begin: Begin = unseen,
) -> dict[str, AuditResult]:
    """What each audit found, by name; without `only`, of all that can be made of this model.

    `settings` may be dotted names, `{"memorization.rows": 500}`. The results of a run's model are kept in it, `audits/NAME.json`, those
    of other settings beside it, `audits/NAME-2.json`. Raises `SettingError` for an audit or a setting that there isn't, `AuditError` for
    one of `only` that can't be made, such as the canaries of a run that planted none; without `only` it is left out, and `say` is told why.
    """
    names = read_audit_names(only if isinstance(only, str) else ",".join(only)) if only else AUDIT_NAMES
    if not isinstance(settings, AuditSettings):
        settings = build(AuditSettings, from_dotted(AuditSettings, settings or {}))
    given = AuditInput(LanguageModel.load(model), Path(model), settings, _once(say))
    results = dict[str, AuditResult]()
    for place, name in enumerate(names, 1):
        title = f"{name.replace('_', ' ')}, {place} of {len(names)}"
        begin(title, 0)
        try:
            results[name] = AUDITS[name](replace(given, writes=partial(begin, f"{title}: texts are written")))
        except AuditError as error:
            if only:
                raise
            say(f"{name} is left out: {error}")
            continue
        _keep(given, name, results[name])
    return results


def _keep(given: AuditInput, name: str, result: AuditResult) -> None:
    """Write a result into the run that the model is of. One of a checkpoint, or over another text, has a name of its own, beside that
    of the run's model over what it was trained on."""
    if given.run is None:
        return
    folder, memorization = find_model(given.path).resolve(), given.settings.memorization
    parts = [name] if folder.name == MODEL_FOLDER else [name, folder.name]
    if name in MEMORIZATION_AUDITS and (memorization.data_of or memorization.text):
        parts += ["of", sha256_text(memorization.data_of or repr(memorization.text))[:8]]
    told, section = as_plain(given.settings), "memorization" if name in MEMORIZATION_AUDITS else "fairness"
    own = {key: told[key] for key in ("seed", section)}
    keep_measurement(given.run, "audits", "-".join(parts), result.as_plain(), own, folder, given.say)
