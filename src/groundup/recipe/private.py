"""The private training of a recipe: which rows a document has, and how a step draws them."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundup.config import require
from groundup.recipe.data import Prepared
from groundup.tokens.example_plan import examples_batch
from groundup.tokens.length_buckets import DocumentRows
from groundup.tokens.packing import CONTINUES
from groundup.tokens.prepare import PreparedData
from groundup.training.objectives.language_model import count_targets, marked_loss_sum
from groundup.training.privacy.plan import PrivacyPlan, plan_privacy
from groundup.training.privacy.randomness import draw_rows
from groundup.training.schedules import with_steps
from groundup.training.settings import TrainingSettings


def privacy_of(training: TrainingSettings, data: Prepared) -> PrivacyPlan | None:
    """What the recipe asks for, over the documents that there are; None without `[training.privacy]`. Raises as `plan_privacy` does."""
    if not training.privacy.on:
        return None
    plan = plan_privacy(with_steps(training, data.plan.num_rows), len(first_rows(data)) - 1)
    require(
        data.facts["split"] != "tail",
        "data.split",
        "tail",
        "it was chosen since there are so few documents, and the end of each would choose the best checkpoint: give the text as more "
        "documents, or others to hold out (data.validation_source)",
    )
    return plan


def private_parts(privacy: PrivacyPlan, training: TrainingSettings, data: Prepared) -> dict[str, Any]:
    """What a task consists of: rows of secretly drawn documents, of which marked tokens are learned."""
    return {
        "privacy": privacy,
        "batch": partial(_drawn_batch, first_rows(data), privacy.sample_rate, data),
        "loss_sum": partial(marked_loss_sum, all_logits=training.method == "full"),
        "count_targets": count_targets,
    }


def first_rows(data: Prepared) -> NDArray[np.int64]:
    """(documents + 1,) where each document's rows begin; at the end, how many rows there are. An example is a document of one row."""
    if not isinstance(data, PreparedData):
        assert not data.plan.packed
        return np.arange(data.plan.num_rows + 1)
    assert isinstance(data.plan.rows, DocumentRows)
    begins = np.flatnonzero(data.plan.rows.pieces[:, CONTINUES] == 0)
    return np.append(begins, data.plan.num_rows)


def _drawn_batch(first_row: NDArray[np.int64], sample_rate: float, data: Prepared, step: int) -> NDArray[np.int64]:
    """(B, L+1) marked ids of at most one row of each document; B is another one each time the step is asked for, and may be 0."""
    rows = draw_rows(first_row, sample_rate)
    if not len(rows):
        return np.full((0, 2), ~0)
    if isinstance(data, PreparedData):
        return data.plan.rows.read(data.train.ids, rows, np.zeros_like(rows), data.plan.sequence_length, None)
    return examples_batch(data.train, data.plan.examples[rows], data.plan.padding_id)
