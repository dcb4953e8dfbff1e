"""Examples that are prepared: marked rows, split and planned, with their tokenizer and what is to be known of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundup.errors import DataError
from groundup.files import NOT_THERE, sha256_text
from groundup.tokens.example_plan import ExamplePlan, examples_batch
from groundup.tokens.example_store import ExampleStore
from groundup.tokens.tokenizer import CONFIG_FILE, Tokenizer

FACTS_FILE, TRAIN_FILE, VALIDATION_FILE, PLAN_FILE = (
    "prepared.json",
    "train.examples",
    "validation.examples",
    "plan.rows",
)


@dataclass(frozen=True)
class PreparedExamples:
    """Everything that training on rows reads."""

    directory: Path
    tokenizer: Tokenizer
    train: ExampleStore
    validation: ExampleStore
    plan: ExamplePlan
    facts: Mapping[str, Any]
    """What was prepared from what, in numbers and hashes, as JSON values: it goes into the run's manifest."""

    @property
    def pairs(self) -> bool:
        """Whether an example is a pair, a chosen row and a rejected one."""
        return self.train.width == 2

    def batch(self, seed: int, step: int, batch_size: int) -> NDArray[np.int64]:
        """The rows of a step, `~id` for a token without loss: (B, L + 1); packed (B, 2, L + 1), below each id to which example of its
        row it belongs; of pairs (B, 2, L + 2), before the ids of the chosen row and of the rejected one the pair's number in the store.

        L is the longest row's. A pure function of its arguments.
        """
        return self.plan.batch(self.train, seed, step, batch_size)

    def validation_batches(self, batch_size: int, max_examples: int = 0) -> Iterator[NDArray[np.int64]]:
        """The held-out examples that teach something, each once, those of like lengths together: in the shapes of `batch`, none packed.

        With `max_examples` above 0 only so many of them, evenly spread.
        """
        return self._batches(self.validation, batch_size, max_examples)

    def training_batches(self, batch_size: int) -> Iterator[NDArray[np.int64]]:
        """The training examples in the same way: for what is computed once of each, such as a reference model's log-probabilities."""
        return self._batches(self.train, batch_size, 0)

    def _batches(self, store: ExampleStore, batch_size: int, max_examples: int) -> Iterator[NDArray[np.int64]]:
        examples = store.taught
        if 0 < max_examples < len(examples):
            examples = examples[np.arange(max_examples) * len(examples) // max_examples]
        by_length = examples[np.argsort(store.example_lengths[examples], kind="stable")]
        for begin in range(0, len(by_length), batch_size):
            yield examples_batch(store, by_length[begin : begin + batch_size], self.plan.padding_id)


def open_examples(directory: Path) -> PreparedExamples:
    """Open and verify a prepared directory. Raises `DataError` or `TokenizerError` when anything in it is damaged."""
    try:
        facts = json.loads((directory / FACTS_FILE).read_text(encoding="utf-8"))
        hashes = facts.pop("hashes")
        config = (directory / CONFIG_FILE).read_text(encoding="utf-8")
    except (*NOT_THERE, ValueError, KeyError, AttributeError) as error:
        raise DataError(f"{directory / FACTS_FILE} or {CONFIG_FILE} is missing or damaged") from error
    prepared = PreparedExamples(
        directory,
        Tokenizer.load(directory),
        ExampleStore.open(directory / TRAIN_FILE, verify=True),
        ExampleStore.open(directory / VALIDATION_FILE, verify=True),
        ExamplePlan.open(directory / PLAN_FILE, verify=True),
        facts,
    )
    if hashes_of(prepared, config) != hashes:
        raise DataError(f"{directory} holds files that do not belong together")
    return prepared


def hashes_of(prepared: PreparedExamples, config: str) -> dict[str, str]:
    """Of all that belongs together; `config`: the tokenizer's configuration as it was written."""
    return {
        "facts": sha256_text(json.dumps(prepared.facts)),
        "tokenizer_config": sha256_text(config),
        "tokenizer": prepared.tokenizer.sha256,
        "train": prepared.train.sha256,
        "validation": prepared.validation.sha256,
        "plan": prepared.plan.sha256,
    }
