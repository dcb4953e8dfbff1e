"""`evaluate` for a run that was trained on rows: its model on the rows that were held out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from groundup.errors import CheckpointError, DataError
from groundup.evaluation.intervals import bootstrap, proportion
from groundup.language_model import LanguageModel
from groundup.recipe.data import prepare_recipe
from groundup.recipe.identity import require_same_data
from groundup.recipe.measure_examples import predict_examples
from groundup.recipe.metrics import DEFAULT_METRICS
from groundup.recipe.reference import REFERENCE_FILE
from groundup.recipe.settings import load_recipe
from groundup.run.checkpoints import list_checkpoints, read_state
from groundup.run.directory import RECIPE_FILE, RunDirectory
from groundup.tokens.prepared_examples import PreparedExamples
from groundup.training.objectives.preference import FIGURES, count_answer_tokens, count_pairs, preference_terms
from groundup.training.reference_file import load_reference


def trains_on_rows(run: Path) -> bool:
    """Whether a run's objective reads rows, not a text."""
    return load_recipe(str(run / RECIPE_FILE)).training.objective != "language_model"


def evaluate_rows(
    language_model: LanguageModel, run: Path, names: Sequence[str], say: Callable[[str], None]
) -> dict[str, Any]:
    """All figures of what the held-out rows of the model's run teach; of pairs loss, accuracy and rewards, compared with the model
    that the run began with. Raises `CheckpointError` where what that thought of them is lost, `DataError` for figures
    that pairs don't have."""
    settings, directory = load_recipe(str(run / RECIPE_FILE)), RunDirectory(run)
    if settings.training.objective == "preference" and tuple(names) != DEFAULT_METRICS:
        raise DataError(f"{run} was trained on pairs, which have figures of their own: leave out metrics")
    data, model = (
        prepare_recipe(settings, directory.working_folder(), say, language_model.tokenizer),
        language_model.model,
    )
    assert isinstance(data, PreparedExamples)
    require_same_data(directory, data)
    batch_size = settings.evaluation.batch_size
    if not data.pairs:
        rows = predict_examples(model, data, batch_size)
        size = {"bytes": round(rows.num_bytes), "window": int(data.validation.lengths.max())}
        return {"data": "validation", **rows.as_plain(DEFAULT_METRICS), "tokens": rows.num_tokens, **size}
    checkpoints = list_checkpoints(run)
    if not checkpoints:
        raise CheckpointError(f"{run} has no checkpoint, which says what its reference was: restore one from a copy")
    reference = load_reference(run / REFERENCE_FILE, read_state(checkpoints[-1])["reference"])["validation"]
    batches = list(data.validation_batches(batch_size))
    terms = preference_terms(model, batches, reference, settings.training.preference)
    found = {name: bootstrap(terms[:, place]) for place, name in enumerate(("loss", *FIGURES))}
    found["accuracy"] = proportion(round(found["accuracy"].value * len(terms)), len(terms))
    intervals = {name: interval.as_plain() for name, interval in found.items()}
    figures = {**{name: one["value"] for name, one in intervals.items()}, "intervals": intervals, "unit": "pairs"}
    counts = {"pairs": sum(map(count_pairs, batches)), "tokens": sum(map(count_answer_tokens, batches))}
    return {"data": "validation", **figures, **counts}
