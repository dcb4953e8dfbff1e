"""`evaluate --task`: standard tasks over local rows, for any model; of a run, kept with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from groundup.config import as_plain
from groundup.errors import RunError
from groundup.evaluation.tasks.score import TaskResult, score_task
from groundup.evaluation.tasks.settings import Task
from groundup.language_model import LanguageModel
from groundup.language_model.locate import find_model
from groundup.recipe.keep_evaluation import run_of
from groundup.run.directory import RunDirectory
from groundup.run.measurements import write_measurement


def evaluate_tasks(model: str | Path, tasks: Sequence[Task], say: Callable[[str], None]) -> list[TaskResult]:
    """Ask a model each task. Of a model that lies in a run, the figures are written to RUN/evaluations/task-NAME.json."""
    language_model = LanguageModel.load(model)
    results = []
    for task in tasks:
        result = score_task(language_model, task)
        results.append(result)
        if (run := run_of(Path(model))) is not None:
            _keep(RunDirectory(run), Path(model), task, result, say)
    return results


def _keep(run: RunDirectory, model: Path, task: Task, result: TaskResult, say: Callable[[str], None]) -> None:
    figures = {name: interval.as_plain() for name, interval in result.figures.items()}
    settings = {"task": task.name, **as_plain(task.settings)}
    try:
        write_measurement(run, "evaluations", f"task-{task.name.lower()}", figures, settings, find_model(model))
    except RunError as error:  # another's folder, or a task's name that can't be a file's
        say(f"warning: the figures are not kept with the run: {error}")
