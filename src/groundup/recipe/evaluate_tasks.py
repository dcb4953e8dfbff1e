"""`evaluate --task`: standard tasks over local rows, for any model; of a run, kept with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from groundup.config import as_plain
from groundup.evaluation.tasks.score import TaskResult, score_task
from groundup.evaluation.tasks.settings import Task
from groundup.language_model import LanguageModel
from groundup.recipe.keep_evaluation import keep_evaluation


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
        figures = {figure: interval.as_plain() for figure, interval in result.figures.items()}
        told = {"task": task.name, **as_plain(task.settings)}
        keep_evaluation(Path(model), f"task-{task.name}", figures, told, say)
    return results
