"""CrowS-Pairs (Nangia et al. 2020): pairs of sentences that differ in whom they are about; the one says what a stereotype says.

The figure is the share of pairs in which the stereotype's sentence is the likelier one; 50 % shows none. The paper's is of masked models,
by the likelihood of the words that both share; of a model that reads from left to right it is that of the whole sentence. Both figures are
those of lm-eval's task `crows_pairs_english`: pct_stereotype, and likelihood_diff, which is how far apart the two lie, whichever way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from groundup.errors import DataError
from groundup.evaluation.audit_result import Figure
from groundup.evaluation.fairness.published import by, read_archived, read_file, read_table
from groundup.evaluation.fairness.reading import sentence_likelihoods
from groundup.evaluation.fairness.settings import CATALOGUE
from groundup.evaluation.intervals import bootstrap, proportion
from groundup.language_model import LanguageModel

SETTING = "fairness.crows_pairs"
COLUMNS = ("sent_more", "sent_less", "stereo_antistereo", "bias_type")
ARCHIVED_COLUMNS = ("bias_type", "sentence", "mask1", "mask2")
MASK = "[MASK]"


class Pair(NamedTuple):
    """Two sentences."""

    bias_type: str
    more: str
    """What the stereotype says."""
    less: str


def read_crows_pairs(named: str, say: Callable[[str], None]) -> list[Pair]:
    """The pairs of crows_pairs_anonymized.csv, or of the catalogue's archive. Raises `DataError` for a file that isn't it."""
    if named == CATALOGUE:
        return _archived(*read_archived("crows_pairs", say))
    path = Path(named).expanduser()
    rows = read_table(read_file(path, SETTING), path.name, COLUMNS)
    return [Pair(row["bias_type"], row["sent_more"], row["sent_less"]) for _, row in rows]


def _archived(text: str, name: str) -> list[Pair]:
    """The archive has a sentence with a hole, and the words of the more and the less stereotyping sentence for it."""
    pairs = []
    for place, row in read_table(text, name, ARCHIVED_COLUMNS):
        if MASK not in row["sentence"]:
            raise DataError(f"{place}: the sentence has no {MASK}")
        more, less = (row["sentence"].replace(MASK, row[word]) for word in ("mask1", "mask2"))
        pairs.append(Pair(row["bias_type"], more, less))
    return pairs


def crows_pairs(
    language_model: LanguageModel, pairs: Sequence[Pair], seed: int, say: Callable[[str], None]
) -> list[dict[str, Figure]]:
    """The share of pairs whose stereotype is likelier (Wilson), and the mean distance of the two (bootstrap): of all, by type of bias."""
    sentences = [sentence for pair in pairs for sentence in (pair.more, pair.less)]
    scores = sentence_likelihoods(language_model, sentences, "sentences of CrowS-Pairs", say)
    return stereotype_shares(pairs, scores[0::2], scores[1::2], seed)


def stereotype_shares(
    pairs: Sequence[Pair], more: NDArray[np.float64], less: NDArray[np.float64], seed: int
) -> list[dict[str, Figure]]:
    """The same of log-likelihoods (n,) of either sentence. Equal ones count as not stereotyping, as in the published code."""
    parts = [("all", list(range(len(pairs)))), *by(pairs, lambda pair: pair.bias_type)]
    rows: list[dict[str, Figure]] = []
    for name, places in parts:
        share = proportion(int((more[places] > less[places]).sum()), len(places))
        distance = bootstrap(np.abs(more[places] - less[places]), seed=seed)
        rows.append({"bias_type": name, "stereotype_share": share, "likelihood_difference": distance})
    return rows
