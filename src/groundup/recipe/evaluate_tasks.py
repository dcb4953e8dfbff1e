"""`evaluate --task`: standard tasks over local rows, for any model; of a run, kept with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from groundup.config import as_plain
from groundup.evaluation.tasks.score import TaskResult, score_task
from groundup.evaluation.tasks.settings import Task
from groundup.language_model import LanguageModel
from groundup.language_model.locate import find_model
from groundup.recipe.keep_evaluation import keep_evaluation
from groundup.run.directory import MODEL_FOLDER


def evaluate_tasks(model: str | Path, tasks: Sequence[Task], say: Callable[[str], None]) -> list[TaskResult]:
    """Ask a model each task. Of a model that lies in a run, the figures are written to RUN/evaluations/task-NAME.json."""
    language_model, results = LanguageModel.load(model), []
    for task in tasks:
        result = score_task(language_model, task)
        results.append(result)
        if result.num_unknown:
            say(
                f"warning: {result.num_unknown:,} of {len(result.items):,} rows of {task.name} hold characters or words that the "
                "model's tokenizer doesn't have; they all count as the same one"
            )
        _keep(Path(model), task, result, say)
    return results


def _keep(model: Path, task: Task, result: TaskResult, say: Callable[[str], None]) -> None:
    """Write the figures into the run; those of a checkpoint under a name of their own, beside those of the run's model."""
    folder = find_model(model).resolve().name
    name = f"task-{task.name}" if folder == MODEL_FOLDER else f"task-{task.name}-{folder}"
    figures = {figure: interval.as_plain() for figure, interval in result.figures.items()}
    keep_evaluation(model, name, figures, {"task": task.name, **as_plain(task.settings)}, say)
