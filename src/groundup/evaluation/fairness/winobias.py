"""WinoBias (Zhao et al. 2018): a pronoun that refers to somebody of an occupation, as the statistics have it and against them.

The paper's figure is of coreference systems. Of a language model it is the share of pairs whose pro-stereotypical sentence is the likelier
one, and the mean difference of log-likelihoods. As many pairs have "he" for the pronoun that fits as have "she", so that a model that
merely prefers one of them shows no difference over all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from groundup.errors import DataError
from groundup.evaluation.audit_result import Figure
from groundup.evaluation.fairness.published import by, choose, files_of, read_archived, read_file, read_json_lines
from groundup.evaluation.fairness.reading import sentence_likelihoods
from groundup.evaluation.fairness.settings import CATALOGUE
from groundup.evaluation.intervals import holm, paired, proportion
from groundup.language_model import LanguageModel

SETTING = "fairness.winobias"
LINE = re.compile(r"(\d+)\s+(\S.*)")
PRONOUN = re.compile(r"\[(he|she|him|her|his|hers)\]", re.IGNORECASE)
OPTION = re.compile(r"^[A-Z]\. (\w+)$", re.MULTILINE)
MASK = "[MASK]"
MALE = ("he", "him", "his")


class Pair(NamedTuple):
    """One sentence with either pronoun."""

    type: str
    """type1: who is meant has to be known from the world; type2: from the grammar. Empty where the file doesn't say."""
    pronoun: str
    """The stereotype's."""
    pro: str
    anti: str


def read_winobias(named: str, say: Callable[[str], None]) -> list[Pair]:
    """The pairs of pro_stereotyped_type….txt… and its anti_… neighbour, of one or of a folder, or of the catalogue's archive.

    Raises `DataError` for files that aren't these, or of which one has another number of lines.
    """
    if named == CATALOGUE:
        return _archived(*read_archived("winobias", say))
    pairs = []
    for path in files_of(named, "pro_stereotyped_type*", SETTING):
        if not path.name.startswith(("pro_", "anti_")):
            raise DataError(f"{SETTING}: {path.name} should be called pro_… or anti_…, with the other one beside it")
        ending = path.name.partition("_")[2]
        pro, anti = (_lines(path.with_name(f"{side}_{ending}")) for side in ("pro", "anti"))
        if len(pro) != len(anti):
            raise DataError(
                f"{SETTING}: pro_{ending} has {len(pro):,} sentences and anti_{ending} {len(anti):,}: they should be pairs"
            )
        found = re.search(r"type\d", path.name)
        kind = found.group() if found else ""
        pairs += [Pair(kind, pronoun, one, other) for (one, pronoun), (other, _) in zip(pro, anti, strict=True)]
    return pairs


def _lines(path: Path) -> list[tuple[str, str]]:
    """(sentence, its pronoun) of each line."""
    lines = []
    for number, line in enumerate(read_file(path, SETTING).split("\n"), start=1):
        if not line.strip():
            continue
        match, pronoun = LINE.fullmatch(line.strip()), PRONOUN.search(line)
        if match is None or pronoun is None:
            raise DataError(
                f"{path.name}, line {number}: this is no sentence of WinoBias, such as  1 [The clerk] waved because [she] was glad."
            )
        lines.append((_plain(match.group(2)), pronoun.group(1).lower()))
    if not lines:
        raise DataError(f"{path} has no sentences: get the file again")
    return lines


def _archived(text: str, name: str) -> list[Pair]:
    pairs = []
    for place, row in read_json_lines(text, name, ("text", "pro_stereotyped", "options")):
        pro = row["pro_stereotyped"]
        others = [option for option in OPTION.findall(row["options"]) if option != pro]
        if MASK not in row["text"] or len(others) != 1:
            raise DataError(f"{place}: there should be one {MASK} and two pronouns for it")
        pairs.append(Pair("", pro, *(_plain(row["text"].replace(MASK, word)) for word in (pro, others[0]))))
    return pairs


def _plain(sentence: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"[\[\]]", "", sentence)).strip()


def choose_balanced(pairs: Sequence[Pair], most: int, seed: int) -> list[Pair]:
    """At most so many pairs, drawn at random, as many that "he" fits as "she": else a preference for either would count."""
    he, she = ([pair for pair in pairs if (pair.pronoun in MALE) is male] for male in (True, False))
    each = min(len(he), len(she), most // 2 if most else len(pairs))
    return [*choose(he, each, seed), *choose(she, each, seed)] if each else choose(pairs, most, seed)


def winobias(
    language_model: LanguageModel, pairs: Sequence[Pair], seed: int, say: Callable[[str], None]
) -> list[dict[str, Figure]]:
    """The share of pairs whose stereotype is likelier (Wilson), and the mean difference (bootstrap, sign flips, Holm over the rows): of
    all, by type, and by the pronoun that fits."""
    sentences = [sentence for pair in pairs for sentence in (pair.pro, pair.anti)]
    scores = sentence_likelihoods(language_model, sentences, "sentences of WinoBias", say)
    pro, anti = scores[0::2], scores[1::2]
    parts = [
        ("all", list(range(len(pairs)))),
        *by(pairs, lambda pair: pair.type),
        *by(pairs, lambda pair: f"{'he' if pair.pronoun in MALE else 'she'} fits"),
    ]
    tests = [paired(pro[places], anti[places], seed=seed) for _, places in parts]
    rows: list[dict[str, Figure]] = []
    for (name, places), test, adjusted in zip(parts, tests, holm([test.p for test in tests]), strict=True):
        share = proportion(int((pro[places] > anti[places]).sum()), len(places))
        row: dict[str, Figure] = {"pairs": name, "pro_share": share, "pro_minus_anti": test.difference}
        rows.append({**row, "p": test.p, "p_holm": adjusted})
    return rows
