"""The applications' prompts are what they should be, their scores are those worked by hand, and no scored row is an example."""

from __future__ import annotations

import json
from typing import Any

import pytest
from benchmarks.applications import page, run, scoring
from nltk.translate import chrf_score

from groundup.language_model import LanguageModel, applications
from groundup.model.settings import preset_config
from groundup.model.transformer import Transformer
from groundup.tokens.character import train_character_tokenizer


def test_a_prompt_is_examples_to_go_on_with() -> None:
    assert applications.answer("Ice floats.\n", "What floats?") == (
        "Text: The mill was built in 1790. It has four sails.\nQuestion: When was the mill built?\nAnswer: 1790\n\n"
        "Text: Ella keeps her boat in Bergen. She sails in summer.\nQuestion: Where does Ella keep her boat?\nAnswer: in Bergen\n\n"
        "Text: Cork floats because it is full of air.\nQuestion: Why does cork float?\nAnswer: it is full of air\n\n"
        "Text: Ice floats.\nQuestion: What floats?\nAnswer:"
    )
    ends = {
        applications.sentiment: "\n\nReview: One.\nSentiment:",
        applications.entities: "\n\nSentence: One.\nNames:",
        applications.translate: "\n\nEnglish: One.\nFrench:",
        applications.summarize: "\n\nText: One.\nSummary:",
    }
    for prompt, end in ends.items():
        assert prompt("One.\n").endswith(end)


@pytest.mark.parametrize("name", list(run.TASKS))
def test_each_set_is_whole_and_apart_from_the_examples(name: str) -> None:
    task, rows = run.TASKS[name], run.rows_of(name, "held out")
    assert len(rows) >= 20
    assert len(run.rows_of(name, "development")) == 8
    texts = [json.dumps({**row, "part": ""}) for part in ("held out", "development") for row in run.rows_of(name, part)]
    assert len(set(texts)) == len(texts)
    shown = " ".join(said for said, _ in applications.EXAMPLES.get(name, ()))
    assert not any(row["text"] in shown for row in rows)
    best = task.score([task.reference(row) for row in rows], rows)
    assert set(best.values()) == {1.0}
    baseline = task.score(task.guess(rows), rows)
    assert all(0 <= value < 0.8 for value in baseline.values()), baseline


def test_the_page_has_the_tables_of_the_result() -> None:
    result = json.loads(page.RESULT.read_text(encoding="utf-8"))
    text = page.PAGE.read_text(encoding="utf-8")
    assert text == page.filled(text, result)
    for task in result["tasks"]:  # of the sets and measures as they are now
        rows = run.rows_of(task["task"], "held out")
        assert [{**each["row"], "part": "held out"} for each in task["replies"]] == rows
        assert task["model"] == pytest.approx(
            run.TASKS[task["task"]].score([each["reply"] for each in task["replies"]], rows)
        )


def test_scores_worked_by_hand() -> None:
    assert scoring.exact("The honey.", "honey") == 1
    assert scoring.word_f1("in the old barn", "the barn") == pytest.approx(2 * (1 / 3) * 1 / (4 / 3))
    assert scoring.word_f1("", "barn") == 0
    # "the pool closes" of 5 and 4 words
    assert scoring.rouge_l("The old pool now closes.", "the pool closes soon") == pytest.approx(2 * 0.6 * 0.75 / 1.35)
    assert scoring.rouge_l("b a", "a b") == 0.5
    assert scoring.first_word(" Positive. It is") == "positive"
    assert scoring.first_word("…") == ""
    assert scoring.first_of(("positive", "negative"), "It is Negative, not positive.") == "negative"
    assert scoring.first_of(("positive", "negative"), "Good") == ""
    ours = [scoring.read_entities("people: Ada, Bo Li.; places: none"), scoring.read_entities("I see no one")]
    assert ours == [{("people", "ada"), ("people", "bo li")}, set()]
    wanted = [{("people", "ada"), ("places", "bo li")}, {("places", "oslo")}]
    assert scoring.entity_f1(ours, wanted) == pytest.approx(2 * (1 / 2) * (1 / 3) / (5 / 6))


def test_chrf_is_that_of_another_library() -> None:
    pairs = [("Le chat dort sous la table.", "Le chat dort sur une table."), ("Il pleut.", "Il neige beaucoup.")]
    for ours, theirs in pairs:
        assert scoring.chrf([ours], [theirs]) == pytest.approx(chrf_score.sentence_chrf(theirs, ours, beta=2.0))
    assert scoring.chrf(["a"], ["b"]) == 0


def test_the_whole_is_measured_with_any_model() -> None:
    text = "".join(map(chr, range(10, 127)))
    tokenizer = train_character_tokenizer([text], byte_fallback=True)
    shape: dict[str, Any] = {"vocab_size": tokenizer.vocab_size, "d_model": 8, "num_heads": 2, "num_layers": 1}
    model = LanguageModel(Transformer(preset_config("llama", max_seq_len=600, **shape)).eval(), tokenizer)
    found = run.measure(model, "sentiment")
    assert found["rows"] == len(found["replies"]) == 30
    assert found["baseline"] == {"what": "the commonest answer", "accuracy": 0.5}
    assert 0 <= found["model"]["accuracy"] <= 1
    assert set(found["development"]) == {"examples", "instruction"}
