"""lm-eval's `hf` model, with transformers, on the requests that lm-eval makes of a task. BATCH names its batch size."""

from __future__ import annotations

import os
from dataclasses import replace

from benchmarks.tasks.lm_eval_form import requests_of
from benchmarks.throughput.protocol import answer, serve, shape
from lm_eval.models.huggingface import HFLM  # type: ignore[import-untyped]

from groundup.evaluation.tasks.settings import read_task

TASK = shape()
BATCH = int(os.environ["BATCH"])
model = HFLM(pretrained=TASK["model"], device="cpu", dtype="float32", batch_size=BATCH)
task = read_task(TASK["file"])


def scores(items: int) -> list[float]:
    """The log-likelihood of each choice of the first items."""
    requests = requests_of(replace(task, settings=replace(task.settings, limit=items)))
    return [value for value, _ in model.loglikelihood(requests, disable_tqdm=True)]


timed = requests_of(replace(task, settings=replace(task.settings, limit=TASK["items"])))
answer({"scores": scores(TASK["compared"]) if TASK["comparing_batch"] == BATCH else None})
serve(lambda: model.loglikelihood(timed, disable_tqdm=True))
