"""`evaluate --task`: standard tasks over local rows, for any model; of a run, kept with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from groundup.config import as_plain
from groundup.errors import RunError
from groundup.evaluation.tasks.score import TaskResult, score_task
from groundup.evaluation.tasks.settings import Task
from groundup.language_model import LanguageModel
from groundup.language_model.locate import find_model
from groundup.recipe.evaluate import run_of
from groundup.run.directory import MODEL_FOLDER, RunDirectory
from groundup.run.measurements import write_measurement


def evaluate_tasks(model: str | Path, tasks: Sequence[Task], say: Callable[[str], None]) -> list[TaskResult]:
    """Ask a model each task. Of a model that lies in a run, the figures are written to RUN/evaluations/task-NAME.json."""
    language_model, run, results = LanguageModel.load(model), run_of(Path(model)), []
    for task in tasks:
        result = score_task(language_model, task)
        results.append(result)
        if result.num_unknown:
            say(
                f"warning: {result.num_unknown:,} of {len(result.items):,} rows of {task.name} hold characters or words that the "
                "model's tokenizer doesn't have; they all count as the same one"
            )
        if run is not None:
            _keep(RunDirectory(run), find_model(model).resolve(), task, result, say)
    return results


def _keep(run: RunDirectory, folder: Path, task: Task, result: TaskResult, say: Callable[[str], None]) -> None:
    """Write the figures into the run; those of a checkpoint under a name of their own, beside those of the run's model."""
    name = "-".join(["task", re.sub("[^a-z0-9_]+", "-", task.name.lower())])
    if folder.name != MODEL_FOLDER:
        name = f"{name}-{folder.name}"
    figures = {figure: interval.as_plain() for figure, interval in result.figures.items()}
    try:
        write_measurement(run, "evaluations", name, figures, {"task": task.name, **as_plain(task.settings)}, folder)
    except RunError as error:
        say(f"warning: the figures are not kept with the run: {error}")
