"""`evaluate --task`: standard tasks over local rows, for any model; of a run, kept with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from groundup.config import as_plain
from groundup.evaluation.tasks.compare import compare_results
from groundup.evaluation.tasks.score import TaskResult, score_task
from groundup.evaluation.tasks.settings import Task
from groundup.language_model import LanguageModel
from groundup.recipe.keep_evaluation import keep_evaluation
from groundup.recipe.under_way import Begin, unseen


def evaluate_tasks(
    model: str | Path, tasks: Sequence[Task], say: Callable[[str], None], begin: Begin = unseen
) -> list[TaskResult]:
    """Ask a model each task. Of a model that lies in a run, the figures are written to RUN/evaluations/task-NAME.json."""
    language_model, results = LanguageModel.load(model), []
    for task in tasks:
        result = _score(language_model, task, model, say, begin)
        results.append(result)
        figures = {figure: interval.as_plain() for figure, interval in result.figures.items()}
        told = {"task": task.name, **as_plain(task.settings)}
        keep_evaluation(Path(model), f"task-{task.name}", figures, told, say)
    return results


def compare_on_tasks(
    a: str | Path, b: str | Path, tasks: Sequence[Task], say: Callable[[str], None], begin: Begin = unseen
) -> dict[str, dict[str, Any]]:
    """Ask two models each task: by task, for each figure what `a` has, what `b` has, the `difference` a - b with its interval, and `p`.
    It is kept with a's run."""
    models = [(LanguageModel.load(path), path) for path in (a, b)]
    found = {}
    for task in tasks:
        first, second = (_score(language_model, task, path, say, begin) for language_model, path in models)
        compared = {figure: each.as_plain() for figure, each in compare_results(first, second).items()}
        found[task.name] = {"data": task.name, "unit": "items", "n": len(first.items), "figures": compared}
        told = {"task": task.name, **as_plain(task.settings), "against": str(b)}
        keep_evaluation(Path(a), f"task-{task.name}-against-{Path(b).name}", found[task.name], told, say)
    return found


def _score(
    language_model: LanguageModel, task: Task, path: str | Path, say: Callable[[str], None], begin: Begin
) -> TaskResult:
    begin(f"{path} is asked {task.name}", 0)
    result = score_task(language_model, task)
    if result.num_unknown:
        say(
            f"warning: {result.num_unknown:,} of {len(result.items):,} rows of {task.name} hold characters or words that the "
            f"tokenizer of {path} doesn't have; they all count as the same one"
        )
    return result
