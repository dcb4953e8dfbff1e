"""Our scorer, as `groundup evaluate --task` runs it: rows, prompts, ids, likelihoods, figures and their intervals. ADAPTER=1: under
lm-eval, on the requests that it makes."""

from __future__ import annotations

import os
from dataclasses import replace

from benchmarks.tasks.lm_eval_form import requests_of
from benchmarks.throughput.protocol import answer, serve, shape

from groundup.evaluation.tasks.lm_eval_model import GroundupLM
from groundup.evaluation.tasks.score import score_task
from groundup.evaluation.tasks.settings import Task, read_task
from groundup.language_model import LanguageModel

TASK = shape()
language_model = LanguageModel.load(TASK["model"])
file = read_task(TASK["file"])


def first(items: int) -> Task:
    """The task's first items."""
    return replace(file, settings=replace(file.settings, limit=items))


found = score_task(language_model, first(TASK["compared"]))
answer({"scores": [value for item in found.items for value in item.log_likelihoods]})
if os.environ.get("ADAPTER"):
    adapter, requests = GroundupLM(language_model), requests_of(first(TASK["items"]))
    serve(lambda: adapter.loglikelihood(requests, disable_tqdm=True))
else:
    serve(lambda: score_task(language_model, first(TASK["items"])))
