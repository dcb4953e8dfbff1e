"""Templates that ship, and each thing that can be wrong in a file of one's own."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from groundup.errors import SettingError
from groundup.evaluation.fairness.prompts import KINDS, REQUESTS, parts_of, read_prompts
from groundup.evaluation.fairness.scorers import Refusal, lexicon_words
from groundup.evaluation.fairness.settings import SHIPPED
from groundup.evaluation.fairness.templates import read_templates

BENCHMARKS = Path(__file__).parents[3] / "benchmarks" / "fairness"
AXES = {"gender", "nationality", "religion", "age", "disability", "occupation"}
GOOD = """
language = "en"
[axes.age.young]
persons = ["the young man", "the girl"]
subject = "they"
[axes.age.old]
persons = ["the old man", "the old woman"]
subject = "they"
[axes.height.tall]
persons = ["the tall man"]
[axes.height.short]
persons = ["the short man"]
[[templates]]
kind = "character"
text = "{Person} is"
positive = ["kind"]
negative = ["cruel"]
[[prompts]]
axes = ["age"]
text = "I saw {person}, and {subject} said"
"""


def test_what_ships_covers_all_axes_in_two_languages() -> None:
    english, german = read_templates(SHIPPED)
    for templates in (english, german):
        assert set(templates.axes) == AXES
        for kind in {template.kind for template in templates.templates}:
            # With fewer than twelve templates, no p-value could stay below 0.05 once all groups are tested together.
            tests = sum(map(len, templates.axes.values()))
            of_kind = [template for template in templates.templates if template.kind == kind]
            assert 2 / 2 ** len(of_kind) * tests < 0.05
        assert len(templates.prompts) >= 12
        assert len(templates.requests) >= 12
    assert {template.kind for template in english.templates} == {"character", "work"}


@pytest.mark.parametrize("language", SHIPPED)
def test_shipped_words_are_on_one_side(language: str) -> None:
    positive, negative = (lexicon_words(language, key, "") for key in ("positive", "negative"))
    assert not set(positive) & set(negative)
    assert min(len(positive), len(negative)) > 100
    assert lexicon_words(language, "toxic", "")
    (prompts,) = read_prompts([language])
    assert min(len(prompts.texts[kind]) for kind in (*KINDS, *REQUESTS)) >= 10
    for texts in prompts.texts.values():
        assert len(set(texts)) == len(texts)
    assert not any(Refusal(prompts.refusals)(prompts.texts["harmless"]))  # a question is no refusal
    replies = tomllib.loads((BENCHMARKS / "refusal_answers.toml").read_text(encoding="utf-8"))[language]
    refusing, answering = (Refusal(prompts.refusals)(replies[kind]) for kind in ("refusing", "answering"))
    assert sum(refusing) >= 0.65 * len(refusing)  # of replies that the patterns weren't made from
    assert not any(answering)


def test_slots_are_filled(tmp_path: Path) -> None:
    (templates,) = read_templates([write(tmp_path, GOOD)])
    old = templates.axes["age"]["old"]
    assert templates.templates[0].fill(old, 1) == "The old woman is"
    assert templates.prompts[0].fill(old, 0) == "I saw the old man, and they said"
    assert not templates.prompts[0].is_for("height")


def test_what_agrees_with_a_person_is_a_slot(tmp_path: Path) -> None:
    """French: of each group a man and a woman, with an adjective's ending, which one of them doesn't have."""
    own = """
    language = "fr"
    [axes.age.young]
    persons = ["le jeune homme", "la jeune femme"]
    e = ["", "e"]
    [axes.age.old]
    persons = ["le vieil homme", "la vieille femme"]
    e = ["", "e"]
    to = ["au vieil homme", "à la vieille femme"]
    [[templates]]
    kind = "character"
    text = "{Person} est très "
    positive = ["poli{e}"]
    negative = ["méchant{e}"]
    [[prompts]]
    text = "Je parle {to}."
    """
    own = own.replace("e = [", 'to = ["au jeune homme", "à la jeune femme"]\n    e = [', 1)
    (templates,) = read_templates([write(tmp_path, own)])
    assert templates.prompts[0].fill(templates.axes["age"]["young"], 1) == "Je parle à la jeune femme."
    (template,), old = templates.templates, templates.axes["age"]["old"]
    assert [(template.fill(old, person), template.words(old, person)) for person in (0, 1)] == [
        ("Le vieil homme est très", ["poli", "méchant"]),
        ("La vieille femme est très", ["polie", "méchante"]),
    ]


def test_files_of_one_language_add_up_and_a_later_group_replaces(tmp_path: Path) -> None:
    own = """
    language = "en"
    [axes.age.old]
    persons = ["the pensioner", "the grandmother"]
    [axes.region.north]
    persons = ["the man from the north"]
    [axes.region.south]
    persons = ["the man from the south"]
    [[templates]]
    kind = "character"
    text = "{Person} was called"
    positive = ["fair"]
    negative = ["unfair"]
    """
    (both,) = read_templates(["en", write(tmp_path, own)], wanted=["region", "age"])
    assert list(both.axes) == ["age", "region"]
    assert list(both.axes["age"]) == ["young", "middle_aged", "old"]
    assert both.axes["age"]["old"].persons == ("the pensioner", "the grandmother")
    assert both.templates[-1].fill(both.axes["region"]["north"], 0) == "The man from the north was called"
    (alone,) = read_templates(
        [write(tmp_path, own.replace("[axes.age.old]", "[axes.region.east]").replace(', "the grandmother"', ""))]
    )
    assert list(alone.axes) == ["region"]


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("{Person} is", "{Person} says {quote}", r"templates\[0\].*axes.age.young has no slot 'quote'"),
        ("{Person} is", "They are", r"templates\[0\].* it is the same for all of axes.age: write {person}"),
        ("{Person} is", "{Person is", r"its braces are no slots"),
        (
            'axes = ["age"]',
            'axes = ["ages"]',
            r"prompts\[0\].axes = 'ages': there is no such axis; there are age, height",
        ),
        ('axes = ["age"]', "", r"axes.height.tall has no slot 'subject'"),
        (
            '[axes.height.short]\npersons = ["the short man"]',
            "",
            "axes.height = 'tall': one group alone can't be compared",
        ),
        (', "the girl"', "", "axes.age = {'young': 1, 'old': 2}: give each group as many persons"),
        ('["the tall man"]', "[]", "axes.height.tall.persons = .*at least one text"),
        ('["the tall man"]', '"the tall man"', "should be a list of texts"),
        ('positive = ["kind"]', "positive = []", r"templates\[0\].positive = .*at least one"),
        (
            'positive = ["kind"]',
            'good = ["kind"]',
            r"templates\[0\].good = .*there is no such key; there are text, axes",
        ),
        ('kind = "character"', "", r"templates\[0\].kind = None: write a text"),
        ('language = "en"', "", "language = None: write a text"),
        ("[[prompts]]", "[prompts]", "write \\[\\[prompts\\]\\]"),
        ("[axes.height.tall]", "[axes.empty]\n[axes.height.tall]", "axes.empty = {}: this axis has no groups"),
        (
            'persons = ["the tall man"]',
            'persons = ["the tall man"]\nsubject = 3',
            "axes.height.tall.subject = 3: write one text for all persons, or a list of 1, one for each",
        ),
        ('subject = "they"', 'subject = ["they"]', r"axes.age.young.subject = \['they'\]: .* or a list of 2"),
        ('positive = ["kind"]', 'positive = ["kind{e}"]', r"templates\[0\] = 'kind\{e\}': .*young has no slot 'e'"),
        ("{Person} is", "{Person!r} is", r"templates\[0\] = .*: a slot is a name and nothing else: write {Person}"),
        ("[[prompts]]", 'axes = ["age"]\n[[prompts]]', r"axes.height = \['tall', 'short'\]: nothing speaks of them"),
        (
            "[[prompts]]",
            """[[templates]]
kind = "character"
text = "{Person} is "
positive = ["kind"]
negative = ["cruel"]
[[prompts]]""",
            r"templates\[1\] = '{Person} is': it stands there twice, and would count as two",
        ),
        (
            '[axes.height.short]\npersons = ["the short man"]',
            "[axes]\nweight = 3",
            "axes.weight = 3: this should be a table",
        ),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, before: str, after: str, message: str) -> None:
    assert before in GOOD
    with pytest.raises(SettingError, match=message):
        read_templates([write(tmp_path, GOOD.replace(before, after, 1))])


def test_names_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"fairness.templates = 'fr': there is no such file; .*en, de"):
        read_templates(["fr"])
    with pytest.raises(
        SettingError, match=r"fairness.axes = 'colour': the templates have no such axis; they have age, height"
    ):
        read_templates([write(tmp_path, GOOD)], wanted=["colour"])
    with pytest.raises(SettingError, match="there are no axes of this language"):
        read_templates([write(tmp_path, 'language = "en"')])
    (prompts,) = read_prompts([write(tmp_path, 'language = "en"\nneutral = ["a"]')])
    with pytest.raises(SettingError, match="these files have none of harmful, harmless"):
        parts_of([(prompts, lambda texts: [0.0 for _ in texts])], REQUESTS)
    with pytest.raises(SettingError, match=r"rude = .*there is no such key"):
        read_prompts([write(tmp_path, 'language = "en"\nrude = ["a"]')])
    with pytest.raises(SettingError, match=r"fairness.templates = 'en': it stands there twice"):
        read_templates(["en", "en"])
    with pytest.raises(SettingError, match=r"own.toml.neutral = 'a': it stands there twice"):
        read_prompts([write(tmp_path, 'language = "en"\nneutral = ["a", "a"]')])


def write(folder: Path, text: str) -> str:
    path = folder / "own.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)
