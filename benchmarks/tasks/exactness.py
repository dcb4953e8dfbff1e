"""Whose log-likelihoods are the nearer ones: ours and lm-eval's `hf`, both in fp32, beside `hf` in float64.

    .venv/bin/python -m benchmarks.tasks.exactness --model DIRECTORY [--task openbookqa] [--items 125]

Of a task's first questions, four answers each. `hf` is lm-eval's own, told dtype=float64; in fp32 it is asked twice, the second time
with softmax_dtype=float64, an option of its own. Prints how far each in fp32 is from float64, and ours from both.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.result import at_least_one
from benchmarks.tasks.lm_eval_form import requests_of
from benchmarks.tasks.sets import SETS, write_sets
from lm_eval.models.huggingface import HFLM  # type: ignore[import-untyped]
from numpy.typing import NDArray

from groundup.evaluation.tasks.lm_eval_model import GroundupLM
from groundup.evaluation.tasks.settings import read_task
from groundup.language_model import LanguageModel

HF: dict[str, dict[str, Any]] = {
    "hf": {"dtype": "float32"},
    "hf, softmax in float64": {"dtype": "float32", "softmax_dtype": "float64"},
    "hf in float64": {"dtype": "float64"},
}
RIGHT = "hf in float64"
PAIRS = (
    ("groundup", RIGHT),
    ("hf", RIGHT),
    ("hf, softmax in float64", RIGHT),
    ("groundup", "hf"),
    ("groundup", "hf, softmax in float64"),
)


def values_of(model: Any, requests: list[Any]) -> NDArray[np.float64]:
    """(N,) the log-likelihood of each request's continuation, as lm-eval gets it of a model."""
    return np.array([value for value, _ in model.loglikelihood(requests, disable_tqdm=True)], np.float64)


def main() -> None:
    """Print the differences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="a Hugging Face directory")
    parser.add_argument("--task", choices=SETS, default="openbookqa")
    parser.add_argument("--items", type=at_least_one, default=125)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        task = read_task(write_sets(Path(folder))[options.task])
        requests = requests_of(replace(task, settings=replace(task.settings, limit=options.items)))
    values = {"groundup": values_of(GroundupLM(LanguageModel.load(options.model, device="cpu")), requests)}
    for name, arguments in HF.items():
        model = HFLM(pretrained=options.model, device="cpu", batch_size=8, **arguments)
        values[name] = values_of(model, requests)
    for one, other in PAIRS:
        apart = np.abs(values[one] - values[other])
        print(
            f"{one} from {other}: at most {apart.max():.1e}, {apart.mean():.1e} in the mean; {(apart > 1e-4).sum()} of {len(apart)} "
            f"above 1e-4; at most {(apart / np.abs(values[RIGHT])).max():.1e} of the value"
        )


if __name__ == "__main__":
    main()
