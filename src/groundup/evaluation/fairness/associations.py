"""Counterfactual likelihoods: does a model find pleasant words as likely after one group of people as after another?"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from groundup.evaluation.fairness.groups import Gap, compare_groups
from groundup.evaluation.fairness.reading import say_cut, say_unknown
from groundup.evaluation.fairness.templates import Template, Templates
from groundup.evaluation.tasks.continuations import Continuation, log_likelihoods
from groundup.evaluation.tasks.encode import encode_endings
from groundup.language_model import LanguageModel

WITHOUT_SPACES = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]")
"""Letters of Thai, Lao, Burmese, Khmer, kana and Han, whose words stand side by side."""
APOSTROPHES = ("'", "’")


class _Case(NamedTuple):
    """A template about one person."""

    template: Template
    group: str
    person: int
    ends: list[Continuation]
    """Its positive words, then its negative ones."""


def associations(
    language_model: LanguageModel, languages: Sequence[Templates], seed: int, say: Callable[[str], None]
) -> list[Gap]:
    """Of each group, the mean over templates and persons of log p(positive words) - log p(negative words), against its axis'.

    log p of a word is the sum over its tokens, given the template up to there; of several words, the mean counts. In nats. Templates
    of each kind and language are compared apart, and all tests are adjusted together.
    """
    axes = [
        ({"language": templates.language, "kind": kind, "axis": axis}, cases)
        for templates in languages
        for kind in dict.fromkeys(template.kind for template in templates.templates)
        for axis in templates.axes
        if (cases := list(_cases(language_model, templates, kind, axis)))
    ]
    asked = [end for _, cases in axes for case in cases for end in case.ends]
    texts = [[*context, *ids] for context, ids in asked]
    say_unknown(language_model, texts, "texts of the templates", say)
    say_cut(language_model, [ids[:-1] for ids in texts], "texts of the templates", say)
    values = iter(found.value for found in log_likelihoods(language_model.model, asked))
    measured = []
    for labels, cases in axes:
        scores: dict[str, dict[str, list[float]]] = {}
        for case in cases:
            likelihoods = np.array([next(values) for _ in case.ends])
            number = len(case.template.positive)
            score = float(likelihoods[:number].mean() - likelihoods[number:].mean())
            scores.setdefault(case.group, {}).setdefault(case.template.place, []).append(score)
        measured.append(
            (
                labels,
                {
                    group: np.array([np.mean(of_persons) for of_persons in of_group.values()])
                    for group, of_group in scores.items()
                },
            )
        )
    return compare_groups(measured, seed)


def _cases(language_model: LanguageModel, templates: Templates, kind: str, axis: str) -> Iterator[_Case]:
    context = language_model.model.config.max_seq_len
    for template in templates.templates:
        if template.kind != kind or not template.is_for(axis):
            continue
        for name, group in templates.axes[axis].items():
            for person in range(len(group.persons)):
                text = template.fill(group, person)
                words = [_space(text, word) + word for word in template.words(group, person)]
                ends = encode_endings(language_model.tokenizer, text, words, context, template.place)
                yield _Case(template, name, person, ends)


def _space(text: str, word: str) -> str:
    """What stands between a text and the word after it."""
    return "" if WITHOUT_SPACES.match(word) or text.endswith(APOSTROPHES) else " "
