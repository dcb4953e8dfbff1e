"""A blind study: what raters see, what is kept, what comes of it; against hand-worked cases."""

from __future__ import annotations

import math
import secrets
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from groundup.errors import DataError
from groundup.evaluation.human.results import preference_rows, results
from groundup.evaluation.human.study import Pair, Study
from groundup.evaluation.intervals import proportion
from groundup.text.conversations import preference_of

CRITERIA = ("helpful", "honest")
EVEN = {"helpful": [3, 3], "honest": [3, 3]}


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Two models, six prompts; both say the same to the last."""
    study = Study.create(tmp_path / "study.sqlite", ["anna", "bert"], [f"Question {n}?" for n in range(6)], CRITERIA)
    for prompt in range(6):
        study.add_answer(prompt, 0, f"Anna says {prompt}")
        study.add_answer(prompt, 1, f"Bert says {prompt}" if prompt < 5 else "Anna says 5")
    return study


def rate_for(
    study: Study, rater: str, prompt: int, model: int | None, scores: dict[str, list[int]] | None = None
) -> None:
    """Prefer a model, whichever side it stands on."""
    pair = Pair(prompt, 0, 1)
    left = study.left_of(pair, rater)
    study.rate(rater, pair, "tie" if model is None else "left" if model == left else "right", scores or EVEN)


def test_raters_see_every_pair_once_in_an_order_and_on_sides_of_their_own(study: Study) -> None:
    orders, sides = [], []
    for rater in ("Rosa", "Ravi", "Rüya", "Rob"):
        order = []
        while (shown := study.next_for(rater)) is not None:
            order.append(shown.pair.prompt)
            sides.append(shown.left.startswith("Anna"))
            assert {shown.left, shown.right} == {f"Anna says {shown.pair.prompt}", f"Bert says {shown.pair.prompt}"}
            assert study.next_for(rater) == shown  # until it is rated
            study.rate(rater, shown.pair, "left", EVEN)
        assert sorted(order) == [0, 1, 2, 3, 4]
        orders.append(tuple(order))
    assert len(set(orders)) > 1
    assert 0 < sum(sides) < 20  # a secret decides


def test_a_study_goes_on_where_it_stopped_and_a_rating_can_be_taken_back(study: Study) -> None:
    first = study.next_for("Rosa")
    assert first is not None
    study.rate("Rosa", first.pair, "tie", EVEN)
    again = Study.open(study.path)
    second = again.next_for("Rosa")
    assert second is not None
    assert second.pair != first.pair
    taken_back = again.undo("Rosa")
    assert taken_back is not None
    assert (taken_back.pair, taken_back.as_given) == (first.pair, {"choice": "tie", "scores": EVEN})
    assert again.next_for("Rosa") == first
    assert again.undo("Rosa") is None
    rate_for(again, "Rosa", 0, 0)
    rate_for(again, "Rosa", 0, 1)  # said anew
    assert [rating.winner for rating in again.ratings("Rosa")] == [1]


def test_results_by_hand(study: Study) -> None:
    for prompt in range(4):
        rate_for(study, "Rosa", prompt, 0)
    rate_for(study, "Rosa", 4, 1)
    for prompt, model in ((0, 0), (1, None), (4, 1)):
        rate_for(study, "Ravi", prompt, model)
    figures = results(study)
    (compared,) = figures["preferences"]
    assert (compared["a_preferred"], compared["b_preferred"], compared["ties"]) == (5, 2, 1)
    assert compared["share_a"]["value"] == pytest.approx((1 + 0.75 + 1 + 1 + 0) / 5)
    assert compared["share_a"]["n"] == 5
    # Signs of +1, +.5, +1, +1, -1 (twice the share less one): of 32 ways those at least as far from 0 as 2.5, by hand.
    assert compared["p"] == pytest.approx(12 / 32)
    assert compared["p_holm"] == compared["p"]
    best, worst = figures["strengths"]
    assert (best["model"], worst["model"]) == ("anna", "bert")
    assert best["strength"]["value"] + worst["strength"]["value"] == pytest.approx(1)
    assert math.log(best["strength"]["value"] / worst["strength"]["value"]) == pytest.approx(
        math.log((3.75 + 0.5) / (1.25 + 0.5)) / 2
    )
    assert figures["identical_pairs"] == 1
    assert figures["raters"] == {"Ravi": 3, "Rosa": 5}
    # Units 0, 1, 4 were rated by both: a a, a tie, b b. Of 6 values 3 are a's, 1 a tie, 2 b's.
    observed, expected = 2 * 1, (3 * 1 + 3 * 2 + 1 * 2) * 2 / 5
    assert figures["agreement"]["preference"] == pytest.approx(1 - observed / expected)


def test_one_that_was_always_preferred_is_not_so_for_certain(study: Study) -> None:
    for prompt in range(5):
        rate_for(study, "Rosa", prompt, 0)
    figures = results(study)
    assert figures["preferences"][0]["share_a"] == pytest.approx(proportion(5, 5).as_plain())
    assert [(one["strength"]["low"], one["strength"]["high"]) for one in figures["strengths"]] == [(None, None)] * 2
    unlike = proportion(0, 5).high  # each scored 3 each time, of 1 to 5
    score = figures["scores"]["helpful"]["anna"]
    assert (score["low"], score["high"]) == pytest.approx((3 - 2 * unlike, 3 + 2 * unlike))
    assert (figures["score_differences"][0]["difference"]["low"], figures["score_differences"][0]["p"]) == (None, 1)


def test_neither_the_page_s_name_of_a_pair_nor_the_command_s_seed_tells_which_answer_is_whose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studies = []
    for secret in "12":
        monkeypatch.setattr(secrets, "token_hex", lambda size, secret=secret: secret)
        studies.append(Study.create(tmp_path / f"{secret}.sqlite", ["anna", "bert"], list("abcdef"), CRITERIA))
    seen = []
    for study in studies:
        for prompt in range(6):
            study.add_answer(prompt, 0, "Anna")
            study.add_answer(prompt, 1, "Bert")
        shown = [study.show(pair, "Rosa") for pair in study.pairs()]
        assert [study.named(one.name, "Rosa") for one in shown] == study.pairs()
        assert {one.name for one in shown}.isdisjoint({study.show(pair, "Ravi").name for pair in study.pairs()})
        seen.append([(one.name, one.left) for one in shown])
    # The same models, prompts and rater: all that a rater could know. Names and sides are others.
    assert {name for name, _ in seen[0]}.isdisjoint({name for name, _ in seen[1]})
    assert [left for _, left in seen[0]] != [left for _, left in seen[1]]
    with pytest.raises(DataError, match="no such pair: load the page again"):
        studies[0].named(seen[1][0][0], "Rosa")


def test_an_answer_that_is_there_stays_and_space_around_it_makes_no_other(tmp_path: Path) -> None:
    study = Study.create(tmp_path / "study.sqlite", ["a", "b"], ["?"], CRITERIA)
    study.add_answer(0, 0, "Yes.")
    study.add_answer(0, 0, "No.")
    study.add_answer(0, 1, " Yes.\n")
    assert study.answers()[0, 0] == "Yes."
    assert (study.pairs(), study.identical()) == ([], 1)


def test_a_rater_is_the_same_however_the_name_was_typed() -> None:
    assert Study.rater_name(" Ru\u0308ya  K. ") == Study.rater_name("R\u00fcya K.") == "R\u00fcya K."


def test_raters_of_three_models_who_choose_by_chance_agree_as_by_chance(tmp_path: Path) -> None:
    study = Study.create(tmp_path / "study.sqlite", ["a", "b", "c"], list("abcd"), ["helpful"])
    for prompt in range(4):
        for model in range(3):
            study.add_answer(prompt, model, str(model))
    # Of each pair's four prompts: both the first, both the second, and twice they differ. Half agree, as coins do.
    for pair in study.pairs():
        for rater, choices in (("Rosa", "abab"), ("Ravi", "abba")):
            wanted = pair.a if choices[pair.prompt] == "a" else pair.b
            side = "left" if study.left_of(pair, rater) == wanted else "right"
            study.rate(rater, pair, side, {"helpful": [3, 3]})  # type: ignore[arg-type]
    # 24 values, half of them of each kind: 12 pairs of values of which 6 differ, and 24 * 12 / 23 would by chance.
    observed, expected = 12, 24 * 12 / 23
    assert results(study)["agreement"]["preference"] == pytest.approx(1 - observed / expected)


def test_scores_belong_to_the_model_whichever_side_it_stood_on(study: Study) -> None:
    for prompt in range(5):
        left = study.left_of(Pair(prompt, 0, 1), "Rosa")
        good_left = {"helpful": [5, 2] if left == 0 else [2, 5], "honest": [4, 4]}
        rate_for(study, "Rosa", prompt, 0, good_left)
    scores = results(study)["scores"]
    assert scores["helpful"]["anna"]["value"] == 5
    assert scores["helpful"]["bert"]["value"] == 2
    assert scores["honest"]["bert"]["n"] == 5
    helpful, honest = results(study)["score_differences"]
    assert (helpful["criterion"], helpful["a"], helpful["b"]) == ("helpful", "anna", "bert")
    assert (helpful["difference"]["value"], helpful["difference"]["n"]) == (3, 5)
    assert helpful["p"] == pytest.approx(2 / 2**5)  # all five of one sign: of all ways to flip them, two are as far out
    assert (honest["difference"]["value"], honest["p"]) == (0, 1)
    assert (helpful["p_holm"], honest["p_holm"]) == (2 * helpful["p"], 1)


def test_whoever_always_says_left_is_found_out(study: Study) -> None:
    for rater in ("Rosa", "Ravi", "Rüya"):
        for prompt in range(5):
            study.rate(rater, Pair(prompt, 0, 1), "left", EVEN)
    left = results(study)["left_chosen"]
    assert left["value"] == 1
    assert left["low"] > 0.5


def test_one_rater_agrees_with_nobody(study: Study) -> None:
    rate_for(study, "Rosa", 0, 0)
    agreement = results(study)["agreement"]
    assert agreement["preference"] is None
    assert agreement["reason"] == "one rater agrees with nobody: let another rate the same study"


def test_rows_for_preference_tuning_are_read_as_such(study: Study) -> None:
    rate_for(study, "Rosa", 0, 0)
    rate_for(study, "Rosa", 1, 1)
    rate_for(study, "Ravi", 1, 0)  # one against one: no row
    rate_for(study, "Rosa", 2, None)
    rate_for(study, "Rosa", 3, 1)
    with closing(sqlite3.connect(study.path)) as connection, connection:
        connection.execute("UPDATE answers SET text = ' ' WHERE prompt = 4 AND model = 0")
    rate_for(study, "Rosa", 4, 1)  # an empty answer teaches nothing: no row
    rows = list(preference_rows(study))
    assert [(row["chosen"], row["rejected"], row["votes"]) for row in rows] == [
        ("Anna says 0", "Bert says 0", [1, 0]),
        ("Bert says 3", "Anna says 3", [1, 0]),
    ]
    pair = preference_of(rows[0], "row 1")
    assert (pair.chosen, pair.rejected) == ("Anna says 0", "Bert says 0")


def test_three_models_meet_in_all_pairs(tmp_path: Path) -> None:
    study = Study.create(tmp_path / "study.sqlite", ["a", "b", "c"], ["?"], CRITERIA)
    for model in range(3):
        study.add_answer(0, model, str(model))
    assert study.pairs() == [Pair(0, 0, 1), Pair(0, 0, 2), Pair(0, 1, 2)]
    for pair in study.pairs():
        left = study.left_of(pair, "Rosa")
        study.rate("Rosa", pair, "left" if left == pair.a else "right", EVEN)  # the lower number is the better one
    assert [one["model"] for one in results(study)["strengths"]] == ["a", "b", "c"]


def test_what_is_no_study_and_no_rating_is_refused(study: Study, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no ratings yet: rate some pairs in the browser first"):
        results(study)
    for models, prompts, criteria, told in (
        (["a"], ["?"], CRITERIA, "compares two models or more"),
        (["a", "a"], ["?"], CRITERIA, "compares two models or more, each once"),
        (["a", "b"], [], CRITERIA, "needs prompts"),
        (["a", "b"], ["?"], ["x", "x"], "name at least one, each once"),
    ):
        with pytest.raises(DataError, match=told):
            Study.create(tmp_path / "other.sqlite", models, prompts, criteria)
    for pair, choice, scores, rater, told in (
        (Pair(9, 0, 1), "left", EVEN, "Rosa", "this study has no pair 9, 0, 1"),
        (Pair(5, 0, 1), "left", EVEN, "Rosa", "this study has no pair 5"),
        (Pair(0, 0, 1), "both", EVEN, "Rosa", "say left, right or tie"),
        (Pair(0, 0, 1), "tie", {"helpful": [1, 1]}, "Rosa", "this study asks for"),
        (Pair(0, 0, 1), "tie", {"helpful": [0, 1], "honest": [1, 1]}, "Rosa", "a score from 1 to 5"),
        (Pair(0, 0, 1), "tie", EVEN, " ", "is no name of a rater"),
        (Pair(0, 0, 1), "tie", EVEN, "a\x00b", "is no name of a rater"),
        (Pair(0, 0, 1), "tie", EVEN, "a" * 61, "is no name of a rater"),
    ):
        with pytest.raises(DataError, match=told):
            study.rate(rater, pair, choice, scores)  # type: ignore[arg-type]
    (tmp_path / "text.sqlite").write_text("not a database, but long enough to be looked at " * 10)
    with pytest.raises(DataError, match=r"cannot be used as a study .*restore it or name another"):
        Study.open(tmp_path / "text.sqlite")
    with pytest.raises(DataError, match="is a folder, and a study is a file"):
        Study.open(tmp_path)
    with pytest.raises(DataError, match="is not there: begin the study with"):
        Study.open(tmp_path / "nothing.sqlite")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            "UPDATE study SET value = '1' WHERE key = 'format_version'",
            "has format version 1; this version of Groundup reads 2",
        ),
        ("DELETE FROM study WHERE key = 'secret'", "is damaged: restore it"),
        ("UPDATE study SET value = '{' WHERE key = 'models'", r"is damaged .*restore it"),
        ("UPDATE ratings SET choice = 'lefu'", r"is damaged .*restore it"),
        ("UPDATE ratings SET scores = '[3'", r"is damaged .*restore it"),
        ("UPDATE ratings SET scores = replace(scores, 'honest', 'honesu')", "ratings of other criteria"),
        ("DROP TABLE study", "cannot be used as a study"),
    ],
)
def test_a_study_that_is_damaged_or_of_another_version_is_refused(study: Study, change: str, told: str) -> None:
    rate_for(study, "Rosa", 0, 0)
    with closing(sqlite3.connect(study.path)) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute(change)
    with pytest.raises(DataError, match=told):
        Study.open(study.path)


def test_a_study_that_cannot_be_written_says_so(study: Study) -> None:
    with closing(sqlite3.connect(study.path)) as connection, connection:
        connection.execute(
            "CREATE TRIGGER full BEFORE INSERT ON ratings BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
        )
    with pytest.raises(DataError, match=r"disk is full.*see that there is room"):
        rate_for(study, "Rosa", 0, 0)
    assert study.ratings() == []
