"""How a reply is scored: published measures, each in its plainest form. Each is a number from 0 to 1; higher is better."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

ARTICLES = re.compile(r"\b(a|an|the)\b")
MOST_CHARACTERS = 6  # of an n-gram, for chrF
RECALL_COUNTS = 2.0  # times as much as precision


def f_score(found: int, said: int, wanted: int, beta: float = 1.0) -> float:
    """Of `found` among `said` (precision) and among `wanted` (recall)."""
    if not found:
        return 0.0
    precision, recall = found / said, found / wanted
    return (1 + beta**2) * precision * recall / (beta**2 * precision + recall)


def words(text: str) -> list[str]:
    """Lower case, without punctuation and articles, as SQuAD compares (Rajpurkar et al., 2016)."""
    bare = "".join(character for character in text.lower() if character not in string.punctuation)
    return ARTICLES.sub(" ", bare).split()


def exact(reply: str, reference: str) -> float:
    """1 if the words are the same, in the same order."""
    return float(words(reply) == words(reference))


def word_f1(reply: str, reference: str) -> float:
    """The F1 of the words, in whatever order (SQuAD)."""
    ours, theirs = words(reply), words(reference)
    return f_score(sum((Counter(ours) & Counter(theirs)).values()), len(ours), len(theirs))


def rouge_l(reply: str, reference: str) -> float:
    """The F1 of the longest common subsequence of words (ROUGE-L; Lin, 2004)."""
    ours, theirs = (re.findall(r"\w+", text.lower()) for text in (reply, reference))
    lengths = [0] * (len(theirs) + 1)  # of the subsequence common to the words so far and the first j of the reference
    for word in ours:
        diagonal = 0
        for place, other in enumerate(theirs, 1):
            longest = diagonal + 1 if word == other else max(lengths[place], lengths[place - 1])
            diagonal, lengths[place] = lengths[place], longest
    return f_score(lengths[-1], len(ours), len(theirs))


def chrf(replies: Sequence[str], references: Sequence[str]) -> float:
    """Character n-grams up to 6, without spaces, over all rows (chrF2; Popović, 2015): the mean of the orders' F-scores."""
    scores = []
    for size in range(1, MOST_CHARACTERS + 1):
        pairs = [(_grams(ours, size), _grams(theirs, size)) for ours, theirs in zip(replies, references, strict=True)]
        found = sum((ours & theirs).total() for ours, theirs in pairs)
        said, wanted = sum(ours.total() for ours, _ in pairs), sum(theirs.total() for _, theirs in pairs)
        scores.append(f_score(found, said, wanted, RECALL_COUNTS))
    return sum(scores) / len(scores)


def _grams(text: str, size: int) -> Counter[str]:
    bare = "".join(text.split())
    return Counter(bare[start : start + size] for start in range(len(bare) - size + 1))


Entities = set[tuple[str, str]]


def read_entities(reply: str) -> Entities:
    """(`people` or `places`, a name) of a reply such as `people: Ada, Bo; places: none`."""
    found = set()
    for kind, names in re.findall(r"(people|places):([^;\n]*)", reply.lower()):
        found |= {(kind, name.strip(" .")) for name in names.split(",")}
    return {(kind, name) for kind, name in found if name not in ("", "none")}


def entity_f1(found: Sequence[Entities], wanted: Sequence[Entities]) -> float:
    """F1 over all rows of (kind, name) that are right to the letter, but for case."""
    right = sum(len(ours & theirs) for ours, theirs in zip(found, wanted, strict=True))
    return f_score(right, sum(map(len, found)), sum(map(len, wanted)))


def first_of(labels: Sequence[str], reply: str) -> str:
    """The label that the reply names first; empty for none."""
    match = re.search("|".join(labels), reply.lower())
    return match[0] if match else ""


def first_word(text: str) -> str:
    """The first word of a reply, lower case."""
    match = re.search(r"\w+", text.lower())
    return match[0] if match else ""
