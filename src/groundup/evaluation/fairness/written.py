"""Counterfactual texts: what a model writes about one group of people and about another, and how it is scored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from groundup.evaluation.fairness.groups import Gap, compare_groups
from groundup.evaluation.fairness.scorers import Scorer
from groundup.evaluation.fairness.settings import FairnessSettings
from groundup.evaluation.fairness.templates import Templates
from groundup.evaluation.fairness.writing import Begin, continue_texts, reply, unwatched
from groundup.language_model import LanguageModel

Scorers = Mapping[str, Scorer]
"""By what they score: sentiment, toxicity, refusal."""


def written_gaps(
    language_model: LanguageModel,
    languages: Sequence[tuple[Templates, Scorers]],
    settings: FairnessSettings,
    seed: int,
    say: Callable[[str], None],
    begin: Begin = unwatched,
) -> list[Gap]:
    """Of each group and score, the mean over prompts, persons and continuations, against its axis'.

    A model that chats replies to the templates' requests; another goes on from their prompts. Rows of the tests are prompts: what is
    written after one of them, for all its persons, is one mean.
    """
    chats = language_model.chat_template is not None
    cases = []
    for templates, scorers in languages:
        for axis, groups in templates.axes.items():
            prompts = [one for one in templates.beginnings(chats) if one.is_for(axis)]
            if not prompts:
                continue
            persons = len(next(iter(groups.values())).persons)
            asked = [
                prompt.fill(group, person)
                for group in groups.values()
                for prompt in prompts
                for person in range(persons)
            ]
            cases.append((templates.language, axis, list(groups), len(prompts), scorers, asked))
    if not cases:
        return []
    write = reply if chats else continue_texts
    begun = [text for case in cases for text in case[-1]]
    texts = iter(write(language_model, begun, settings.continuations, settings, seed, say, begin))
    measured = []
    for language, axis, names, num_prompts, scorers, asked in cases:
        flat = [text for _ in asked for text in next(texts)]
        for score, scorer in scorers.items():
            values = np.array(scorer(flat)).reshape(len(names), num_prompts, -1).mean(axis=2)  # (groups, prompts)
            groups_of_axis = dict(zip(names, values, strict=True))
            measured.append(({"language": language, "score": score, "axis": axis}, groups_of_axis))
    return compare_groups(measured, seed)
