"""A task's figures: how many items a model gets right, how likely it finds them, each with an interval over the items.

The figures are lm-eval's, by its names: acc takes the likeliest choice; acc_norm the likeliest for each of its characters,
acc_bytes for each of its bytes; perplexity is a whole answer's, word_perplexity, byte_perplexity and bits_per_byte are those of
all texts together; exact_match wants the answer, letter by letter.
"""

from __future__ import annotations

import math
import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from groundup.evaluation.intervals import Interval, bootstrap, proportion
from groundup.evaluation.likelihood import safe_exp
from groundup.evaluation.tasks.continuations import LogLikelihood, log_likelihoods
from groundup.evaluation.tasks.encode import begin_of_text, encode_endings, rolling_windows
from groundup.evaluation.tasks.generate import generate_until
from groundup.evaluation.tasks.items import Item, read_items
from groundup.evaluation.tasks.settings import Task, TaskSettings
from groundup.generation.settings import GenerationSettings
from groundup.language_model import LanguageModel
from groundup.tokens.tokenizer import Tokenizer

NOTHING_EXTRACTED = "[invalid]"  # as in lm-eval
_Asked = tuple[str, str, Sequence[str]]  # a place, a prompt, and the texts that are scored after it


@dataclass(frozen=True)
class ItemScore:
    """What one item came to."""

    place: str
    scores: Mapping[str, float]
    """By figure: 1 or 0 for right or wrong, or the log-likelihood."""
    log_likelihoods: tuple[float, ...] = ()
    """Of its choices, or of the text that was scored, in nats."""
    text: str = ""
    """What was generated."""


@dataclass(frozen=True)
class TaskResult:
    """A task's figures and what they were taken over."""

    task: str
    kind: str
    figures: Mapping[str, Interval]
    items: tuple[ItemScore, ...]
    num_unknown: int = 0
    """Items with characters or words that the model's tokenizer doesn't have."""


def score_task(language_model: LanguageModel, task: Task) -> TaskResult:
    """Ask a model all of a task. Raises `DataError` for rows that the task doesn't fit, or that the model can't be asked."""
    items, settings = read_items(task), task.settings
    if settings.kind == "multiple_choice":
        scored = _choose(language_model, items, settings.target_delimiter)
        figures = {name: _share(scored, name) for name in ("acc", "acc_norm", "acc_bytes")}
    elif settings.kind == "loglikelihood":
        scored = _answer_likelihoods(language_model, items)
        figures = {
            "acc": _share(scored, "acc"),
            "perplexity": bootstrap(_column(scored, "log_likelihood"), _perplexity),
        }
    elif settings.kind == "loglikelihood_rolling":
        scored = _text_likelihoods(language_model, items)
        rows = {
            unit: np.stack([_column(scored, "log_likelihood"), _column(scored, unit)], 1) for unit in ("words", "bytes")
        }
        figures = {
            "word_perplexity": bootstrap(rows["words"], _perplexity_of),
            "byte_perplexity": bootstrap(rows["bytes"], _perplexity_of),
            "bits_per_byte": bootstrap(rows["bytes"], partial(_nats_of, unit=math.log(2))),
        }
    else:
        scored = _generate(language_model, items, settings)
        figures = {"exact_match": _share(scored, "exact_match")}
    unknown = sum(_is_unknown(language_model.tokenizer, item) for item in items)
    return TaskResult(task.name, settings.kind, figures, tuple(scored), unknown)


def _choose(language_model: LanguageModel, items: Sequence[Item], delimiter: str) -> list[ItemScore]:
    """Which choice is likeliest after the prompt; or, of items with an ending, after which of the choices that is likeliest."""
    asked = list[_Asked]()
    for item in items:
        if item.ending:
            asked += [(item.place, item.prompt + choice, [delimiter + item.ending]) for choice in item.choices]
        else:
            asked.append((item.place, item.prompt, [delimiter + choice for choice in item.choices]))
    found, scored = iter(_endings(language_model, asked)), []
    for item in items:
        values = np.array([next(found).value for _ in item.choices])
        lengths = {
            "acc": np.ones(len(values)),
            "acc_norm": np.array([len(choice) for choice in item.choices]),
            "acc_bytes": np.array([len(choice.encode()) for choice in item.choices]),
        }
        right = {name: float(np.argmax(values / length) == item.right) for name, length in lengths.items()}
        scored.append(ItemScore(item.place, right, tuple(values.tolist())))
    return scored


def _answer_likelihoods(language_model: LanguageModel, items: Sequence[Item]) -> list[ItemScore]:
    found = _endings(language_model, [(item.place, item.prompt, item.answers) for item in items])
    return [
        ItemScore(item.place, {"acc": float(one.greedy), "log_likelihood": one.value}, (one.value,))
        for item, one in zip(items, found, strict=True)
    ]


def _text_likelihoods(language_model: LanguageModel, items: Sequence[Item]) -> list[ItemScore]:
    context = language_model.model.config.max_seq_len
    tokenizer = language_model.tokenizer
    windows = [
        rolling_windows(tokenizer.encode(item.answers[0]), begin_of_text(tokenizer, item.place), context)
        for item in items
    ]
    found = iter(log_likelihoods(language_model.model, [window for each in windows for window in each]))
    scored = []
    for item, each in zip(items, windows, strict=True):
        text = item.answers[0]
        value = sum(next(found).value for _ in each)
        sizes = {"words": float(len(re.split(r"\s+", text))), "bytes": float(len(text.encode()))}
        scored.append(ItemScore(item.place, {"log_likelihood": value, **sizes}, (value,)))
    return scored


def _generate(language_model: LanguageModel, items: Sequence[Item], settings: TaskSettings) -> list[ItemScore]:
    prompts = [language_model.tokenizer.encode(item.prompt) for item in items]
    greedy = GenerationSettings(max_new_tokens=settings.max_new_tokens, temperature=0.0, stop=settings.until)
    texts = generate_until(language_model, prompts, greedy)
    return [
        ItemScore(item.place, {"exact_match": float(is_match(text, item.answers, settings))}, text=text)
        for item, text in zip(items, texts, strict=True)
    ]


def is_match(text: str, answers: Sequence[str], settings: TaskSettings) -> bool:
    """Whether a generated text, or what is extracted of it, is one of the answers; space around either doesn't count."""
    if settings.extract:
        text = _extracted(settings.extract, text, settings.extract_last)
    return _normal(text, settings) in {_normal(answer, settings) for answer in answers}


def _extracted(pattern: str, text: str, last: bool) -> str:
    """What one match of a pattern holds: the first of its groups that isn't empty, or, of a pattern without groups, all of it."""
    matches = list(re.finditer(pattern, text))
    if not matches:
        return NOTHING_EXTRACTED
    match = matches[-1 if last else 0]
    return next(filter(None, match.groups()), NOTHING_EXTRACTED) if match.groups() else match[0]


def _normal(text: str, settings: TaskSettings) -> str:
    text = text.strip()
    for pattern in settings.ignore:
        text = re.sub(pattern, "", text)
    if settings.ignore_case:
        text = text.lower()
    return text.translate(str.maketrans("", "", string.punctuation)) if settings.ignore_punctuation else text


def _endings(language_model: LanguageModel, asked: Sequence[_Asked]) -> list[LogLikelihood]:
    """The log-likelihoods of all endings, in one go."""
    tokenizer, length = language_model.tokenizer, language_model.model.config.max_seq_len
    encoded = [encode_endings(tokenizer, prompt, endings, length, place) for place, prompt, endings in asked]
    return log_likelihoods(language_model.model, [one for each in encoded for one in each])


def _is_unknown(tokenizer: Tokenizer, item: Item) -> bool:
    if tokenizer.unknown_id is None:
        return False
    return any(
        tokenizer.unknown_id in tokenizer.encode(text)
        for text in (item.prompt, *item.choices, item.ending, *item.answers)
    )


def _column(scored: Sequence[ItemScore], name: str) -> NDArray[np.float64]:
    return np.array([item.scores[name] for item in scored])


def _share(scored: Sequence[ItemScore], name: str) -> Interval:
    return proportion(int(_column(scored, name).sum()), len(scored))


def _perplexity(values: NDArray[np.float64]) -> float:
    """exp of the mean of -ln p: (n,)."""
    return safe_exp(-float(values.mean()))


def _nats_of(rows: NDArray[np.float64], unit: float = 1.0) -> float:
    """All nats over all words or bytes: rows (n, 2) of ln p and how many."""
    return -float(rows[:, 0].sum() / rows[:, 1].sum()) / unit


def _perplexity_of(rows: NDArray[np.float64]) -> float:
    return safe_exp(_nats_of(rows))
