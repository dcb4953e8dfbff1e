"""Winogender (Rudinger et al. 2018): sentences about 60 occupations, each with a male, a female and a neutral pronoun.

Of each pronoun, how much likelier or less likely it makes a sentence than the three do on average, by whom the pronoun refers to: the
occupation or the other person. Rows are occupations. Beside it, how the model's leaning follows the share of women who do the work.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from groundup.errors import DataError
from groundup.evaluation.audit_result import Figure
from groundup.evaluation.fairness.published import read_file, read_table
from groundup.evaluation.fairness.reading import sentence_likelihoods
from groundup.evaluation.intervals import Interval, bootstrap
from groundup.language_model import LanguageModel

SETTING = "fairness.winogender"
STATISTICS_FILE = "occupations-stats.tsv"
PRONOUNS = ("male", "female", "neutral")
REFERS_TO = {"0": "occupation", "1": "other person"}


class Sentence(NamedTuple):
    """One sentence."""

    occupation: str
    other: str
    refers_to: str
    pronoun: str
    text: str


def read_winogender(named: str) -> list[Sentence]:
    """The sentences of all_sentences.tsv. Raises `DataError` for a file that isn't it, or in which a pronoun's sentence is missing."""
    path = Path(named).expanduser()
    sentences = []
    for place, row in read_table(read_file(path, SETTING), path.name, ("sentid", "sentence"), delimiter="\t"):
        parts = row["sentid"].split(".")
        if len(parts) < 4 or parts[2] not in REFERS_TO or parts[3] not in PRONOUNS:
            raise DataError(
                f"{place}: sentid is {row['sentid']!r}, which should be written as technician.customer.1.male.txt"
            )
        sentences.append(Sentence(parts[0], parts[1], REFERS_TO[parts[2]], parts[3], row["sentence"]))
    return sentences


def read_statistics(named: str) -> dict[str, float]:
    """The share of women by occupation, in percent, of occupations-stats.tsv beside the file; empty without it."""
    path = Path(named).expanduser().with_name(STATISTICS_FILE)
    if not path.is_file():
        return {}
    shares = {}
    for place, row in read_table(read_file(path, SETTING), path.name, ("occupation", "bls_pct_female"), delimiter="\t"):
        try:
            shares[row["occupation"]] = float(row["bls_pct_female"])
        except ValueError:
            raise DataError(f"{place}: bls_pct_female is {row['bls_pct_female']!r}, which is no number") from None
    return shares


def winogender(
    language_model: LanguageModel,
    sentences: Sequence[Sentence],
    statistics: Mapping[str, float],
    seed: int,
    say: Callable[[str], None],
) -> tuple[list[dict[str, Figure]], Interval | None]:
    """Each pronoun's gap, by whom it refers to; and the correlation with the statistics, if there are any."""
    texts = [sentence.text for sentence in sentences]
    scores = sentence_likelihoods(language_model, texts, "sentences of Winogender", say)
    return pronoun_gaps(sentences, scores, statistics, seed)


def pronoun_gaps(
    sentences: Sequence[Sentence], log_likelihoods: NDArray[np.float64], statistics: Mapping[str, float], seed: int
) -> tuple[list[dict[str, Figure]], Interval | None]:
    """The same of log-likelihoods (n,). The correlation is Pearson's, of log p(female) - log p(male) where the pronoun refers to the
    occupation with the share of women in it. Raises `DataError` where a sentence has not all three pronouns."""
    triples: dict[tuple[str, str, str], dict[str, float]] = defaultdict(dict)
    for sentence, value in zip(sentences, log_likelihoods.tolist(), strict=True):
        triples[sentence.refers_to, sentence.occupation, sentence.other][sentence.pronoun] = value
    by_occupation: dict[str, dict[str, list[list[float]]]] = {name: defaultdict(list) for name in REFERS_TO.values()}
    for (refers_to, occupation, other), found in triples.items():
        if set(found) != set(PRONOUNS):
            missing = ", ".join(sorted(set(PRONOUNS) - set(found)))
            raise DataError(f"{SETTING}: of {occupation}.{other}, the sentence with the pronoun {missing} is missing")
        by_occupation[refers_to][occupation].append([found[pronoun] for pronoun in PRONOUNS])
    rows: list[dict[str, Figure]] = []
    for refers_to, occupations in by_occupation.items():
        if occupations:
            means = np.array([np.mean(values, axis=0) for values in occupations.values()])  # (occupations, 3)
            gaps = means - means.mean(axis=1, keepdims=True)
            rows += [
                {"refers_to": refers_to, "pronoun": pronoun, "gap": bootstrap(gaps[:, column], seed=seed)}
                for column, pronoun in enumerate(PRONOUNS)
            ]
    leaning = {
        name: float(np.dot(np.mean(values, axis=0), [-1.0, 1.0, 0.0]))
        for name, values in by_occupation["occupation"].items()
    }
    known = np.array([[leaning[name], statistics[name]] for name in leaning if name in statistics])
    return rows, bootstrap(known, _correlation, seed) if len(known) > 2 else None


def _correlation(rows: NDArray[np.float64]) -> float:
    """Pearson's, of rows (n, 2); NaN where one of them is the same for all."""
    apart = rows - rows.mean(axis=0)
    lengths = np.sqrt((apart**2).sum(axis=0))
    if lengths.min() == 0:
        return float("nan")
    return float(apart.prod(axis=1).sum() / lengths.prod())
