"""A quiz by likelihood: which of some answers does the model find likeliest? And how much hangs on the way it is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from letters import NEWCOMERS, trained
from practice import IDS
from village import END, HELD_OUT_LINES, PEOPLE, split_words

from groundup.evaluation.intervals import proportion
from groundup.textbook.memorization import token_log_probabilities

model = trained()


def likeliest(prompt: Sequence[str], choices: Sequence[Sequence[str]], by_length: bool = False) -> int:
    """The number of the choice whose words are likeliest after the prompt, all together or for each word."""
    sums = []
    for choice in choices:
        ids = [IDS[word] for word in (*prompt, *choice)]
        logs = token_log_probabilities(model, ids)[len(prompt) - 1 :]
        sums.append(sum(logs) / (len(logs) if by_length else 1))
    return max(range(len(choices)), key=lambda number: sums[number])


def share(ask: Callable[[list[str]], bool], lines: Sequence[str]) -> str:
    """Of all questions those that are answered right, with Wilson's interval."""
    found = proportion(sum(ask([END, *split_words(line)]) for line in lines), len(lines))
    return f"{found.value:6.0%} ({found.low:.0%} to {found.high:.0%}), {found.n} questions"


def whom(words: list[str]) -> bool:
    """Mia lent Ben a kite. Ben thanked …"""
    return PEOPLE[likeliest(words[:9], [[person] for person in PEOPLE])] == words[9]


def whom_without_start(words: list[str]) -> bool:
    """The same question, without the sign that a line begins with."""
    return PEOPLE[likeliest(words[1:9], [[person] for person in PEOPLE])] == words[9]


def short_or_long(words: list[str], by_length: bool = False) -> bool:
    """Mia lent Ben a kite. … with the whole sentence as the right answer, and its first word as the wrong one."""
    return likeliest(words[:7], [[words[7]], words[7:11]], by_length) == 1


print("a guess among eight        12%")
print("who is thanked?        ", share(whom, HELD_OUT_LINES))
print("   asked by newcomers  ", share(whom, [line for line in HELD_OUT_LINES if line.startswith(NEWCOMERS)]))
print("   prompt without start", share(whom_without_start, HELD_OUT_LINES))
print("a word, or its sentence")
print("   by likelihood       ", share(short_or_long, HELD_OUT_LINES))
print("   for each word       ", share(lambda words: short_or_long(words, by_length=True), HELD_OUT_LINES))

assert sum(short_or_long([END, *split_words(line)]) for line in HELD_OUT_LINES) == 0
