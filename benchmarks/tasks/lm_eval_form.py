"""A task file of ours as lm-eval's settings of a task: what its YAML would say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
from lm_eval.api.task import ConfigurableTask  # type: ignore[import-untyped]

from groundup.evaluation.tasks.settings import Task, TaskSettings


def lm_eval_config(task: Task) -> dict[str, Any]:
    """The settings that give the same requests and figures. The rows are given as they are, so that nothing is fetched or cached."""
    settings = task.settings
    config: dict[str, Any] = {
        "task": task.name,
        "output_type": settings.kind,
        "custom_dataset": lambda **_: _splits(task),
        "test_split": "test",
        "doc_to_text": settings.prompt,
        "doc_to_target": settings.answer,
        "description": settings.description,
        "target_delimiter": settings.target_delimiter,
        "fewshot_delimiter": settings.shot_delimiter,
        "num_fewshot": settings.shots,
        "metric_list": [{"metric": name, **_aggregation(name)} for name in figures_of(settings)],
    }
    if settings.shots:
        config |= {
            "fewshot_split": "shots" if settings.shots_data else "test",
            "fewshot_config": {"sampler": "default" if settings.shots_seed else "first_n"},
        }
    if settings.choices:
        choices = settings.choices
        config["doc_to_choice"] = choices if isinstance(choices, str) else list(choices)
        if not isinstance(choices, str) and any("{" in choice for choice in choices):
            config["doc_to_choice"] = _list_of(choices)
    if settings.ending:  # the choice's number as a prompt says that choices stand before what is scored
        config |= {"doc_to_text": settings.answer, "doc_to_target": settings.ending}
    if settings.kind == "generate_until":
        kwargs = {"until": list(settings.until), "max_gen_toks": settings.max_new_tokens, "do_sample": False}
        steps: list[dict[str, Any]] = [{"function": "remove_whitespace"}, {"function": "take_first"}]
        if settings.extract:
            which = -1 if settings.extract_last else 0
            steps.insert(0, {"function": "regex", "regex_pattern": settings.extract, "group_select": which})
        config |= {"generation_kwargs": kwargs, "filter_list": [{"name": "none", "filter": steps}]}
        config["metric_list"][0] |= {
            "ignore_case": settings.ignore_case,
            "ignore_punctuation": settings.ignore_punctuation,
            "regexes_to_ignore": list(settings.ignore) or None,
        }
    return config


def requests_of(task: Task) -> list[Any]:
    """What lm-eval asks of a model for it, in order."""
    form = ConfigurableTask(config=lm_eval_config(task))
    form.set_fewshot_seed(task.settings.shots_seed)
    form.build_all_requests(limit=task.settings.limit or None, rank=0, world_size=1)
    return list(form.instances)


def figures_of(settings: TaskSettings) -> tuple[str, ...]:
    """The names of a task's figures."""
    return {
        "multiple_choice": ("acc", "acc_norm", "acc_bytes"),
        "loglikelihood": ("acc", "perplexity"),
        "loglikelihood_rolling": ("word_perplexity", "byte_perplexity", "bits_per_byte"),
        "generate_until": ("exact_match",),
    }[settings.kind]


def _aggregation(name: str) -> dict[str, Any]:
    weighted = {"word_perplexity": "weighted_perplexity", "byte_perplexity": "weighted_perplexity"}
    of = {"perplexity": "perplexity", "bits_per_byte": "bits_per_byte", **weighted}.get(name, "mean")
    return {"aggregation": of, "higher_is_better": of == "mean"}


def _list_of(templates: Sequence[str]) -> str:
    """One template that gives a list of what several give."""
    names = [f"choice{number}" for number in range(len(templates))]
    parts = (f"{{% set {name} %}}{template}{{% endset %}}" for name, template in zip(names, templates, strict=True))
    return "".join(parts) + "{{[" + ", ".join(names) + "]}}"


def _splits(task: Task) -> dict[str, datasets.Dataset]:
    splits = {"test": _rows(task.folder / task.settings.data)}
    if task.settings.shots_data:
        splits["shots"] = _rows(task.folder / task.settings.shots_data)
    return splits


def _rows(path: Path) -> datasets.Dataset:
    lines = path.read_text(encoding="utf-8").split("\n")
    return datasets.Dataset.from_list([json.loads(line) for line in lines if line.strip()])
