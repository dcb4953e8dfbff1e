"""What an audit is given: a model, its settings, and the data of runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from groundup.errors import AuditError, GroundupError
from groundup.evaluation.fairness.writing import Begin, unwatched
from groundup.evaluation.memorization.sides import Side
from groundup.language_model import LanguageModel
from groundup.recipe.audit_settings import AuditSettings
from groundup.recipe.evaluate import data_of_run
from groundup.recipe.evaluate_rows import trains_on_rows
from groundup.recipe.keep_evaluation import run_of
from groundup.tokens.prepare import PreparedData


@dataclass(frozen=True)
class AuditInput:
    """What an audit is given."""

    language_model: LanguageModel
    path: Path
    """The model as it was named."""
    settings: AuditSettings
    say: Callable[[str], None]
    """Told, a line at a time, what a person should know."""
    writes: Begin = unwatched
    """Told of how many texts the model is about to write, and then of those that are done."""
    sides: dict[bool, tuple[Side, Side | None]] = field(default_factory=dict)
    """What the audits of memorization look at, once it was read: as it is, or (False) without lines that were planted."""
    _prepared: dict[Path, PreparedData] = field(default_factory=dict)

    @property
    def run(self) -> Path | None:
        """The run that the model is of; None for a model of none."""
        return run_of(self.path)

    def data_of(self, run: Path) -> PreparedData:
        """What a run was trained on and what it held out, as tokens; read once. Raises `AuditError` for a run of rows, and where its
        text is gone or has changed."""
        if run not in self._prepared:
            if trains_on_rows(run):
                raise AuditError(f"{run} was trained on rows, and this audit reads runs that were trained on text")
            own = self.language_model.tokenizer if run == self.run else None  # its base may be gone
            try:
                self._prepared[run], _ = data_of_run(run, "name", self.say, own)
            except GroundupError as error:
                raise AuditError(f"what {run} was trained on cannot be read again: {error}") from error
        return self._prepared[run]
