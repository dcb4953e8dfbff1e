"""What a study found: who was preferred and how surely, scores, whether raters agree, and whether the side decided."""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundup.errors import DataError
from groundup.evaluation.human.statistics import Level, bradley_terry, krippendorff_alpha
from groundup.evaluation.human.study import SCORES, Rating, Study
from groundup.evaluation.intervals import bootstrap, holm, mean_share, paired, proportion

CANNOT_SAY = (
    "It holds for these prompts, these raters and these settings of generation. Intervals are over prompts: they say what other "
    "prompts of the kind would give, not what other raters would."
)


def results(study: Study) -> dict[str, Any]:
    """All figures of a study. Raises `DataError` where nobody has rated anything."""
    ratings, models = study.ratings(), study.models
    if not ratings:
        raise DataError(f"{study.path} has no ratings yet: rate some pairs in the browser first")
    raters = sorted({rating.rater for rating in ratings})
    pairs = study.pairs()
    sides = Counter(rating.choice for rating in ratings)
    chosen = sides["left"] + sides["right"]
    return {
        "models": models,
        "prompts": len(study.prompts()),
        "pairs": len(pairs),
        "identical_pairs": study.identical(),
        "raters": {rater: sum(rating.rater == rater for rating in ratings) for rater in raters},
        "ratings": len(ratings),
        "strengths": strengths(ratings, models),
        "preferences": preferences(ratings, models),
        "scores": {name: scores(ratings, models, name) for name in study.criteria},
        "score_differences": score_differences(ratings, models, study.criteria),
        "agreement": agreement(ratings, study.criteria),
        "left_chosen": proportion(sides["left"], chosen).as_plain() if chosen else None,
        "cannot_say": CANNOT_SAY,
    }


def strengths(ratings: Sequence[Rating], models: Sequence[str]) -> list[dict[str, Any]]:
    """Each model's share of wins against an average one by Bradley and Terry's model, the strongest first."""
    number, by_prompt = len(models), _by_prompt(ratings)
    rows = np.stack([_wins(of_prompt, number).ravel() for of_prompt in by_prompt.values()])

    @cache  # each model's interval draws the same prompts
    def fitted(wins: bytes) -> NDArray[np.float64]:
        return bradley_terry(np.frombuffer(wins).reshape(number, number))

    def share(model: int) -> Callable[[NDArray[np.float64]], float]:
        return lambda rows: 1 / (1 + math.exp(-float(fitted(rows.sum(0).tobytes())[model])))

    found = [{"model": name, "strength": bootstrap(rows, share(at)).as_plain()} for at, name in enumerate(models)]
    return sorted(found, key=lambda one: -float(one["strength"]["value"]))


def preferences(ratings: Sequence[Rating], models: Sequence[str]) -> list[dict[str, Any]]:
    """For each two models how often the first was preferred, ties counting half, and whether chance would explain it.

    A prompt counts once, however many rated it: the mean of its ratings.
    """
    found: list[dict[str, Any]] = []
    for a, b in itertools.combinations(range(len(models)), 2):
        mine = [rating for rating in ratings if (rating.pair.a, rating.pair.b) == (a, b)]
        if not mine:
            continue
        shares = [
            float(np.mean([_share(rating, a) for rating in of_prompt])) for of_prompt in _by_prompt(mine).values()
        ]
        compared = paired(shares, [1 - share for share in shares])
        counts = Counter(rating.winner for rating in mine)
        found.append(
            {
                "a": models[a],
                "b": models[b],
                "a_preferred": counts[a],
                "b_preferred": counts[b],
                "ties": counts[None],
                "share_a": mean_share(shares).as_plain(),
                "p": compared.p,
            }
        )
    for one, adjusted in zip(found, holm([one["p"] for one in found]), strict=True):
        one["p_holm"] = adjusted
    return found


def scores(ratings: Sequence[Rating], models: Sequence[str], criterion: str) -> dict[str, dict[str, Any]]:
    """The mean score of each model, from 1 to 5; a prompt counts once."""
    given: dict[int, dict[int, list[int]]] = {number: defaultdict(list) for number in range(len(models))}
    for rating in ratings:
        for model, score in zip((rating.pair.a, rating.pair.b), rating.scores[criterion], strict=True):
            given[model][rating.pair.prompt].append(score)
    means = {number: [float(np.mean(of_prompt)) for of_prompt in of.values()] for number, of in given.items()}
    return {
        models[number]: mean_share(of, lowest=SCORES[0], highest=SCORES[-1]).as_plain()
        for number, of in means.items()
        if of
    }


def score_differences(
    ratings: Sequence[Rating], models: Sequence[str], criteria: Sequence[str]
) -> list[dict[str, Any]]:
    """For each two models and each criterion how much higher the first scored, over the prompts at which the two met, and whether chance
    would explain it; Holm's p is over all of these."""
    found: list[dict[str, Any]] = []
    for (a, b), mine in sorted(_by_models(ratings).items()):
        for name in criteria:
            means = np.array(
                [np.mean([rating.scores[name] for rating in of_prompt], 0) for of_prompt in _by_prompt(mine).values()]
            )
            compared = paired(means[:, 0], means[:, 1])
            plain = {"difference": compared.difference.as_plain(), "p": compared.p}
            found.append({"criterion": name, "a": models[a], "b": models[b], **plain})
    for one, adjusted in zip(found, holm([one["p"] for one in found]), strict=True):
        one["p_holm"] = adjusted
    return found


def agreement(ratings: Sequence[Rating], criteria: Sequence[str]) -> dict[str, Any]:
    """Krippendorff's alpha of the preferences (nominal: the one, the other, neither) and of each criterion's scores (ordinal), over all
    pairs that two or more rated; None, with a reason, where nobody can say."""
    raters = sorted({rating.rater for rating in ratings})
    units = {pair: number for number, pair in enumerate(dict.fromkeys(rating.pair for rating in ratings))}
    preferred = np.full((len(raters), len(units)), np.nan)
    scored = {name: np.full((len(raters), len(units), 2), np.nan) for name in criteria}
    for rating in ratings:
        place = raters.index(rating.rater), units[rating.pair]
        # Which of the pair, not which model: three models are three pairs, and who sees two of them can't choose the third.
        preferred[place] = -1 if rating.winner is None else rating.winner == rating.pair.b
        for name in criteria:
            scored[name][place] = rating.scores[name]
    found: dict[str, Any] = {
        "preference": _alpha(preferred, "nominal"),
        "scores": {name: _alpha(table.reshape(len(raters), -1), "ordinal") for name, table in scored.items()},
    }
    if len(raters) < 2:
        found["reason"] = "one rater agrees with nobody: let another rate the same study"
    elif all(value is None for value in (found["preference"], *found["scores"].values())):
        found["reason"] = "no pair was rated by two, or everybody always said the same"
    return found


def _alpha(table: NDArray[np.float64], level: Level) -> float | None:
    alpha = krippendorff_alpha(table, level)
    return None if math.isnan(alpha) else alpha


def preference_rows(study: Study) -> Iterator[dict[str, Any]]:
    """Rows that preference tuning reads: prompt, chosen, rejected, and by how many votes.

    There is none where as many say this as that, nor where an answer is empty, of which nothing can be learned.
    """
    prompts, answers = study.prompts(), study.answers()
    votes: dict[tuple[int, int, int], Counter[int | None]] = defaultdict(Counter)
    for rating in study.ratings():
        votes[rating.pair.prompt, rating.pair.a, rating.pair.b][rating.winner] += 1
    for (prompt, a, b), counted in sorted(votes.items()):
        if counted[a] == counted[b] or not (answers[prompt, a].strip() and answers[prompt, b].strip()):
            continue
        better, worse = (a, b) if counted[a] > counted[b] else (b, a)
        asked = prompts[prompt]
        yield {
            "prompt": asked,
            "chosen": answers[prompt, better],
            "rejected": answers[prompt, worse],
            "votes": [counted[better], counted[worse]],
        }


def _share(rating: Rating, model: int) -> float:
    return 0.5 if rating.winner is None else float(rating.winner == model)


def _wins(ratings: Sequence[Rating], number: int) -> NDArray[np.float64]:
    """How often row was preferred to column, half of each tie; of one prompt, whose raters together count once a pair."""
    wins = np.zeros((number, number))
    for (a, b), mine in _by_models(ratings).items():
        share = float(np.mean([_share(rating, a) for rating in mine]))
        wins[a, b], wins[b, a] = share, 1 - share
    return wins


def _by_models(ratings: Sequence[Rating]) -> dict[tuple[int, int], list[Rating]]:
    found: dict[tuple[int, int], list[Rating]] = defaultdict(list)
    for rating in ratings:
        found[rating.pair.a, rating.pair.b].append(rating)
    return found


def _by_prompt(ratings: Sequence[Rating]) -> dict[int, list[Rating]]:
    found: dict[int, list[Rating]] = defaultdict(list)
    for rating in ratings:
        found[rating.pair.prompt].append(rating)
    return dict(sorted(found.items()))
