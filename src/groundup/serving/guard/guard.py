"""The guard of a served model: each text that goes in, and each that comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from groundup.config import build, read_toml
from groundup.errors import NO_VALUE, SettingError
from groundup.serving.guard.audit import AuditLog
from groundup.serving.guard.classifier import Classifier
from groundup.serving.guard.finding import Check
from groundup.serving.guard.hooks import HookCheck, load_hook
from groundup.serving.guard.personal_data import PersonalData
from groundup.serving.guard.reports import ActiveCheck, Count, Decision, Reports
from groundup.serving.guard.settings import CheckName, GuardSettings, Side, SideSettings, path_of
from groundup.serving.guard.stream import GuardedStream
from groundup.serving.guard.toxicity import Toxicity
from groundup.serving.guard.words import WordList, read_words
from groundup.text.privacy.name_model import load_pipeline


@dataclass(frozen=True)
class Verdict:
    """What becomes of a text."""

    action: Decision
    """The strongest action of what was found."""
    text: str
    """The text as it may go on; empty if it is refused."""
    reasons: tuple[str, ...] = ()
    """What was found, each once: `personal_data: email`."""


class Guard:
    """The checks that a guard's file switches on. Safe to use from several threads."""

    def __init__(
        self, settings: GuardSettings, folder: Path, hooks: Sequence[HookCheck] = (), count: Count | None = None
    ) -> None:
        """`folder` is where relative paths of the settings begin. Raises `GroundupError` for files that can't be used."""
        self.settings = settings
        checks = _make_checks(settings, folder, hooks)
        self._checks: dict[Side, list[ActiveCheck]] = {
            "input": _switched_on(checks, settings.input),
            "output": _switched_on(checks, settings.output),
        }
        self._count = count
        self._audit = AuditLog(path_of("audit", settings.audit, folder)) if settings.audit else None

    @property
    def changes_output(self) -> bool:
        """Whether what the model writes may be redacted or refused: then its tokens must leave by no other way (log-probabilities)."""
        return any(each.action in ("redact", "refuse") for each in self._checks["output"])

    def check_input(self, text: str, request: str = "") -> Verdict:
        """Look at a whole text before the model reads it. `request` is what the audit log calls the request."""
        return self._verdict("input", text, request, "", whole=True)

    def check_output(self, text: str, request: str = "", before: str = "") -> Verdict:
        """Look at a text that the model wrote: what comes out is what `stream` lets out of the same text."""
        return self._verdict("output", text, request, before, self.settings.output.whole)

    def stream(self, request: str = "", before: str = "") -> GuardedStream:
        """For a text that the model is writing; `before` is the text that it goes on, if it goes on one."""
        checks = self._checks["output"]
        return GuardedStream(checks, self._reports("output", request), before, self.settings.output.whole)

    def close(self) -> None:
        """Close the audit log."""
        if self._audit is not None:
            self._audit.close()

    def check_names(self, side: Side) -> list[CheckName]:
        """The checks that are switched on for a side."""
        return list(dict.fromkeys(each.name for each in self._checks[side]))

    def checks_that_find(self, side: Side, text: str) -> set[CheckName]:
        """The checks of a side that find something in a text; nothing is counted or written."""
        return {each.name for each in self._checks[side] if each.check.find(text)}

    def _verdict(self, side: Side, text: str, request: str, before: str, whole: bool) -> Verdict:
        reports = self._reports(side, request)
        stream = GuardedStream(self._checks[side], reports, before, whole)
        out = stream.add(text) + stream.finish()
        return Verdict(reports.action, "" if stream.refused else out, tuple(reports.reasons))

    def _reports(self, side: Side, request: str) -> Reports:
        return Reports(side, self._checks[side], request, self._count, self._audit)


def load_guard(path: Path, hooks: Sequence[str] = (), count: Count | None = None) -> Guard:
    """The guard of a TOML file (`GuardSettings`), with the operator's functions as `package.module:function`.

    Raises `SettingError` for a setting, `DataError` for a file or a function that can't be used, `MissingExtraError` without spaCy
    where it is asked for.
    """
    values = read_toml(path, "guard")
    try:
        settings = build(GuardSettings, values)
    except SettingError as error:
        raise SettingError(str(path), NO_VALUE, str(error)) from None
    return Guard(settings, path.absolute().parent, [load_hook(name) for name in hooks], count)


def _make_checks(settings: GuardSettings, folder: Path, hooks: Sequence[HookCheck]) -> list[tuple[CheckName, Check]]:
    """Each check that is switched on for a side or both."""
    checks: list[tuple[CheckName, Check]] = []
    if settings.uses("personal_data"):
        if settings.personal_data.names == "model":
            load_pipeline(settings.personal_data.names_model)
        checks.append(("personal_data", PersonalData(settings.personal_data.as_privacy())))
    if settings.uses("words"):
        checks.append(("words", WordList(read_words(settings.words.files, folder))))
    if settings.uses("toxicity"):
        classifier = Classifier.load(path_of("toxicity.classifier", settings.toxicity.classifier, folder))
        checks.append(("toxicity", Toxicity(classifier, settings.toxicity.threshold)))
    if settings.uses("hooks") != bool(hooks):
        wrong = (
            "a hook is named, and hooks are off on both sides" if hooks else "hooks are switched on, and none is named"
        )
        raise SettingError(
            "hooks",
            NO_VALUE,
            f'{wrong}; name functions with --guard-hook, and write e.g. hooks = "refuse" below [output]',
        )
    return [*checks, *(("hooks", hook) for hook in hooks)]


def _switched_on(checks: Sequence[tuple[CheckName, Check]], side: SideSettings) -> list[ActiveCheck]:
    return [ActiveCheck(name, check, side.action(name)) for name, check in checks if side.action(name) != "off"]
