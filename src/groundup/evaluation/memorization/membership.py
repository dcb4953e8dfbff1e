"""Membership inference: can one tell from a model's scores whether it was trained on a row?

A score for each row, higher for what looks trained on, told apart by one threshold. The rows are of one length and, as far as there are
enough, as many of each source on either side: what differs between sources is not what was asked.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundup.errors import AuditError
from groundup.evaluation.audit_result import AuditResult, Figure
from groundup.evaluation.memorization.separation import (
    Floats,
    Integers,
    auc_over_documents,
    rate_over_documents,
    rows_of,
)
from groundup.evaluation.memorization.settings import MemorizationSettings
from groundup.evaluation.memorization.sides import Side, choose_alike, count_occurrences
from groundup.evaluation.memorization.token_scores import TokenScores, score_tokens
from groundup.language_model.model import LanguageModel

CANNOT_SAY = (
    "that nobody can tell: these attacks use one model and no others like it, which an attacker may train (LiRA); and where the two "
    "sides differ in more than what was trained on, in time or in kind, an AUC apart from 0.5 measures that difference"
)
SMALLEST_DEVIATION = 1e-6
FEWEST_FOR_RATE = 100
"""Rows that were not trained on: with fewer, a rate of 1 % is less than one of them."""

Losses = Callable[[NDArray[Any], Sequence[str]], Floats]
"""(N,) another model's loss of rows (N, T) of ids and their texts, in nats over the whole row."""


def membership(
    language_model: LanguageModel,
    trained: Side,
    unseen: Side,
    settings: MemorizationSettings,
    seed: int,
    reference: Losses | None = None,
) -> AuditResult:
    """AUC and the true-positive rate at 1 % false positives of each score, over rows of either side.

    A row of the unseen side that stands in the training text as well is left out, and of rows that are alike all but one: copies tell
    nothing more. Raises `AuditError` if one of them has no row.
    """
    length = min(settings.row_tokens, language_model.model.config.max_seq_len + 1 - len(trained.opening))
    generator = np.random.default_rng(seed)
    places, new = choose_alike(trained.stretches(length), unseen.stretches(length), settings.rows, generator)
    if not len(places) or not len(new):
        raise AuditError(
            f"there is no document of {length} tokens on both sides, of one source, to cut rows from: lower memorization.row_tokens"
        )
    places, new = trained.distinct(places, length), unseen.distinct(new, length)
    drawn, new = len(new), new[count_occurrences(trained.ids, unseen.cut(new, length)) == 0]
    if not len(new):
        raise AuditError(
            "every row of the text that was not trained on stands in the training text, too, so nothing tells the two apart: name "
            "another with memorization.unseen_text=…"
        )
    members, others = (
        _scores(language_model, side, chosen, length, settings.min_k, reference)
        for side, chosen in ((trained, places), (unseen, new))
    )
    documents = np.concatenate([trained.documents_at(places), unseen.documents_at(new) + len(trained.ends)])
    found = compare_scores(members, others, documents, length, seed)
    left_out = {"unseen_rows_of_training_text": drawn - len(new)}
    return AuditResult({**found.figures, **left_out}, found.cannot_say, found.tables)


def compare_scores(
    members: Mapping[str, Floats], others: Mapping[str, Floats], documents: Integers, row_tokens: int, seed: int
) -> AuditResult:
    """Each score's AUC and true-positive rate, with intervals over documents: (rows,) the number of each row's, members' first."""
    table: list[dict[str, Figure]] = []
    figures: dict[str, Figure] = {}
    for name in members:
        rows = rows_of(members[name], others[name])
        area = auc_over_documents(rows, documents)
        enough = len(others[name]) >= FEWEST_FOR_RATE
        rate = rate_over_documents(rows, documents, seed) if enough else None
        table.append({"score": name, "auc": area, "true_positives_at_1_percent": rate})
        figures[f"auc_{name}"] = area
        figures[f"tpr_{name}"] = rate
    trained = len(next(iter(members.values())))
    figures |= {
        "trained_rows": trained,
        "trained_documents": len(np.unique(documents[:trained])),
        "unseen_rows": len(documents) - trained,
        "unseen_documents": len(np.unique(documents[trained:])),
        "row_tokens": row_tokens,
    }
    return AuditResult(figures, CANNOT_SAY, {"scores": table})


def _scores(
    language_model: LanguageModel, side: Side, places: Integers, length: int, min_k: float, reference: Losses | None
) -> dict[str, Floats]:
    """(N,) of each score of the rows of one side that begin at places (N,)."""
    rows = side.cut(places, length)
    scores = score_tokens(language_model.model, rows, side.opening)
    texts = [language_model.tokenizer.decode(row) for row in rows.tolist()]
    losses = -scores.log_probability.sum(axis=1)
    named = {
        "loss": -losses / scores.log_probability.shape[1],
        "zlib": -losses / np.array([zlib_bytes(text) for text in texts]),
        "min_k": lowest_mean(scores.log_probability, min_k),
        "min_k_plus_plus": lowest_mean(standardized(scores), min_k),
    }
    if reference is not None:
        named["reference"] = (reference(rows, texts) - losses) / scores.log_probability.shape[1]
    return named


def zlib_bytes(text: str) -> int:
    """How short zlib makes a text: what is repetitive is likely to any model (Carlini et al. 2021, §5.1)."""
    return len(zlib.compress(text.encode("utf-8", "replace")))


def lowest_mean(values: Floats, share: float) -> Floats:
    """(N,) the mean of each row's lowest `share` of values (N, T), of at least one: Min-K% of log-probabilities (Shi et al. 2024, §3)."""
    count = max(1, int(share * values.shape[1]))
    return np.asarray(np.partition(values, count - 1, axis=1)[:, :count].mean(axis=1))


def standardized(scores: TokenScores) -> Floats:
    """(N, T) how many standard deviations each token's log p lies above its mean, for Min-K%++ (Zhang et al. 2025, eq. 3)."""
    return (scores.log_probability - scores.mean) / np.maximum(scores.deviation, SMALLEST_DEVIATION)
