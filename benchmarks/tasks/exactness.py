"""Whose log-likelihoods are the nearer ones: ours and lm-eval's `hf`, both in fp32, beside transformers' class in float64.

    .venv/bin/python -m benchmarks.tasks.exactness --model DIRECTORY [--items 125]

Of the first OpenBookQA questions, four answers each. Prints how far each is from float64, and ours from `hf`.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.result import at_least_one
from benchmarks.tasks.lm_eval_form import requests_of
from benchmarks.tasks.sets import write_sets
from lm_eval.models.huggingface import HFLM  # type: ignore[import-untyped]
from numpy.typing import NDArray

from groundup.evaluation.tasks.lm_eval_model import GroundupLM
from groundup.evaluation.tasks.settings import read_task
from groundup.language_model import LanguageModel


@torch.inference_mode()
def exact(model: Any, requests: list[Any]) -> NDArray[np.float64]:
    """The log-likelihood of each request's continuation, row by row in float64, cut into tokens as `hf` does."""
    found = []
    for request in requests:
        before, after = model._encode_pair(*request.args)
        logits = model.model(torch.tensor([before + after[:-1]]), logits_to_keep=len(after)).logits[0]  # (T, V)
        found.append(logits.log_softmax(dim=-1)[range(len(after)), after].sum().item())
    return np.array(found)


def main() -> None:
    """Print the differences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="a Hugging Face directory")
    parser.add_argument("--items", type=at_least_one, default=125)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        task = read_task(write_sets(Path(folder))["openbookqa"])
        requests = requests_of(replace(task, settings=replace(task.settings, limit=options.items)))
    ours = GroundupLM(LanguageModel.load(options.model)).loglikelihood(requests, disable_tqdm=True)
    theirs = HFLM(pretrained=options.model, device="cpu", dtype="float32", batch_size=8)
    values = {
        "groundup": np.array([value for value, _ in ours]),
        "hf": np.array([value for value, _ in theirs.loglikelihood(requests, disable_tqdm=True)]),
    }
    theirs.model.double()
    right = exact(theirs, requests)
    for name, apart in (
        *((f"{name} from float64", np.abs(value - right)) for name, value in values.items()),
        ("groundup from hf", np.abs(values["groundup"] - values["hf"])),
    ):
        print(
            f"{name}: at most {apart.max():.1e}, {apart.mean():.1e} in the mean; "
            f"{(apart > 1e-4).sum()} of {len(apart)} above 1e-4; at most {(apart / np.abs(right)).max():.1e} of the value"
        )


if __name__ == "__main__":
    main()
