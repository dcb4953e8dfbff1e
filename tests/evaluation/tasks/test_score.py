"""Figures of tasks, hand-worked and against plain computations."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.errors import DataError, GenerationError
from groundup.evaluation.tasks import score
from groundup.evaluation.tasks.continuations import Continuation, LogLikelihood
from groundup.evaluation.tasks.encode import encode_endings, rolling_windows
from groundup.evaluation.tasks.generate import generate_until, texts_at_once
from groundup.evaluation.tasks.score import TaskResult, is_match, score_task
from groundup.evaluation.tasks.settings import Task, TaskSettings
from groundup.generation.settings import GenerationSettings
from groundup.language_model import LanguageModel
from groundup.language_model.score import log_likelihoods as sequence_likelihoods
from groundup.model.settings import preset_config
from groundup.tokens.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def model(tiny_base: Path) -> LanguageModel:
    return LanguageModel.load(tiny_base, device="cpu")


def result(model: LanguageModel, folder: Path, rows: Sequence[dict[str, Any]], **fields: Any) -> TaskResult:
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return score_task(model, Task("test", folder, TaskSettings(data="rows.jsonl", **fields)))


def test_choices_by_hand(model: LanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ln p: -6 for "abcdef" (-1 a character, -1 a byte), -4 for "ab" (-2, -2), -9 for six é's (-1.5 a character, -0.75 a byte)."""
    values = {"abcdef": -6.0, "ab": -4.0, "é" * 6: -9.0}
    choices = list(values)
    monkeypatch.setattr(
        score,
        "log_likelihoods",
        lambda _, asked: [LogLikelihood(value, False) for value in values.values()] * (len(asked) // 3),
    )
    rows = [{"choices": choices, "right": right} for right in (1, 0, 2, 1)]
    found = result(model, tmp_path, rows, prompt="q", choices="choices", answer="right")
    assert [item.scores["acc"] for item in found.items] == [1, 0, 0, 1]  # "ab"
    assert [item.scores["acc_norm"] for item in found.items] == [0, 1, 0, 0]  # "abcdef"
    assert [item.scores["acc_bytes"] for item in found.items] == [0, 0, 1, 0]  # "éééééé"
    assert (found.figures["acc"].value, found.figures["acc_norm"].n) == (0.5, 4)
    assert found.figures["acc"].low == pytest.approx(0.15, abs=1e-3)  # Wilson's, of 2 in 4
    assert found.items[0].log_likelihoods == (-6, -4, -9)


def test_what_stands_after_the_choices_by_hand(model: LanguageModel, tmp_path: Path) -> None:
    rows = [{"s": "the License and _ is a contribution", "one": "the Work", "two": "each", "right": 1}]
    fields = {"choices": ("{{s.split('_')[0]}}{{one}}", "{{s.split('_')[0]}}{{two}}"), "answer": "right"}
    (item,) = result(model, tmp_path, rows, **fields, ending="{{s.split('_')[1].strip()}}").items
    beginnings = [model.tokenizer.encode(text) for text in ("the License and the Work", "the License and each")]
    ids = model.tokenizer.encode(" is a contribution")
    alone = sequence_likelihoods(model.model, beginnings)
    whole = sequence_likelihoods(model.model, [[*beginning, *ids] for beginning in beginnings])
    assert item.log_likelihoods == pytest.approx(np.subtract(whole, alone).tolist(), abs=1e-4)


def test_answers_and_texts_are_scored_as_the_model_scores_them(model: LanguageModel, tmp_path: Path) -> None:
    texts = ["Licensed under the Apache License", "a contribution of any kind, in writing"]
    rows = [{"text": text} for text in texts]
    rolling = result(model, tmp_path, rows, kind="loglikelihood_rolling", answer="text")
    expected = [one.log_likelihood for one in model.score(texts)]  # each from the end token on
    assert [item.scores["log_likelihood"] for item in rolling.items] == pytest.approx(expected, abs=1e-4)
    nats, words, characters = -sum(expected), 5 + 7, sum(map(len, texts))
    assert rolling.figures["word_perplexity"].value == pytest.approx(math.exp(nats / words), rel=1e-5)
    assert rolling.figures["byte_perplexity"].value == pytest.approx(math.exp(nats / characters), rel=1e-5)
    assert rolling.figures["bits_per_byte"].value == pytest.approx(nats / characters / math.log(2), rel=1e-5)
    alone = result(model, tmp_path, rows, kind="loglikelihood", answer="text")
    assert [item.scores["log_likelihood"] for item in alone.items] == pytest.approx(expected, abs=1e-4)
    assert alone.figures["perplexity"].value == pytest.approx(math.exp(nats / 2), rel=1e-4)
    assert alone.figures["acc"].value == 0


def test_what_is_generated_is_the_likeliest_text(model: LanguageModel, tmp_path: Path) -> None:
    prompts = ["the License", "the Work and", "the License is"]
    written = [model.generate(prompt, temperature=0.0, max_new_tokens=12, stop=("e",)) for prompt in prompts]
    rows = [{"prompt": prompt, "answers": ["?", f" {text}"]} for prompt, text in zip(prompts, written, strict=True)]
    fields: dict[str, Any] = {"kind": "generate_until", "prompt": "prompt", "answer": "answers"}
    found = result(
        model, tmp_path, [*rows, {"prompt": "a", "answers": "never"}], **fields, until=("e",), max_new_tokens=12
    )
    assert [item.text for item in found.items[:3]] == written
    assert found.figures["exact_match"].value == 0.75


def test_many_prompts_are_written_at_once_as_one_after_the_other(model: LanguageModel) -> None:
    """70 of them: more than there is room for."""
    prompts = [model.tokenizer.encode(f"the License {number} and") for number in range(70)]
    drawn = GenerationSettings(max_new_tokens=3, top_p=0.9, seed=5)
    assert generate_until(model, prompts[:1], drawn) == generate_until(model, prompts, drawn)[:1]
    greedy, some = GenerationSettings(temperature=0.0, max_new_tokens=3), (0, 63, 64, 69)
    written = generate_until(model, prompts, greedy)
    assert [written[number] for number in some] == [
        generate_until(model, [prompts[number]], greedy)[0] for number in some
    ]


def test_as_many_texts_are_written_at_once_as_their_cache_has_room_for() -> None:
    """A token of SmolLM2-135M's cache is 2 · 30 · 3 · 64 = 11,520 numbers: 2 ** 27 of them are 11,650 tokens."""
    config = preset_config(
        "llama", vocab_size=9, d_model=576, num_layers=30, num_heads=9, num_kv_heads=3, max_seq_len=8192
    )
    assert [texts_at_once(config, length) for length in (0, 100, 182, 200, 700, 8192)] == [64, 64, 64, 58, 16, 16]


def test_a_long_prompt_keeps_its_end(model: LanguageModel) -> None:
    prompt = model.tokenizer.encode("the License " * 60)
    settings = GenerationSettings(temperature=0.0, max_new_tokens=28)
    assert generate_until(model, [prompt], settings) == generate_until(model, [prompt[-100:]], settings)
    with pytest.raises(
        GenerationError, match="max_new_tokens = 128: the model's context is 128 tokens, which leaves no room"
    ):
        generate_until(model, [prompt], GenerationSettings(max_new_tokens=128))


@pytest.mark.parametrize(
    ("text", "answers", "fields", "expected"),
    [
        (" Paris\n", ["Paris"], {}, True),
        ("paris", ["Paris"], {}, False),
        ("paris", ["Paris"], {"ignore_case": True}, True),
        ("Paris.", ["Paris"], {}, False),
        ("Paris.", ["Paris"], {"ignore_punctuation": True}, True),
        ("it is 12, or 13", ["12"], {"extract": r"\d+"}, True),
        ("it is 12, or 13", ["13"], {"extract": r"or (\d+)|(no)"}, True),
        ("it is no number", ["no"], {"extract": r"or (\d+)|(no)"}, True),
        ("nothing", ["[invalid]"], {"extract": r"\d+"}, True),
        ("b", ["a", "b"], {}, True),
        ("it is 12, or 13", ["13"], {"extract": r"\d+", "extract_last": True}, True),
        ("$1,300.", ["1300"], {"ignore": [r"[$,]", r"\.$"]}, True),
        ("1300", ["$1,300."], {"ignore": [r"[$,]", r"\.$"]}, True),
        ("1.300", ["1300"], {"ignore": [r"[$,]", r"\.$"]}, False),
    ],
)
def test_a_match(text: str, answers: list[str], fields: dict[str, Any], expected: bool) -> None:
    settings = TaskSettings(kind="generate_until", data="x", answer="x", **fields)
    assert is_match(text, answers, settings) is expected


def test_spaces_at_a_prompts_end_belong_to_the_ending(model: LanguageModel) -> None:
    tokenizer = model.tokenizer
    (one,) = encode_endings(tokenizer, "the Work ", ["License"], 128, "row")
    assert one == Continuation(tokenizer.encode("the Work"), tokenizer.encode(" License"))
    begin = tokenizer.begin_id
    assert begin is not None
    assert encode_endings(tokenizer, "", ["a"], 128, "row") == [Continuation([begin], tokenizer.encode("a"))]
    assert encode_endings(tokenizer, "  ", ["a"], 128, "row") == [Continuation([begin], tokenizer.encode("  a"))]


def test_an_ending_that_cannot_be_scored_is_named(model: LanguageModel, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="row 1: '' has no token of its own after its prompt"):
        encode_endings(model.tokenizer, "a", [""], 128, "row 1")
    with pytest.raises(DataError, match=r"line 1: .* tokens long, and the model's context is 128: leave it out"):
        result(model, tmp_path, [{"text": "License " * 300}], kind="loglikelihood", answer="text")
    without = Tokenizer(json.dumps(model.tokenizer.description()).encode(), {}, {})
    with pytest.raises(DataError, match=r"row 1: a text's first token is to be scored, .* give a prompt"):
        encode_endings(without, "", ["a"], 128, "row 1")


@settings(max_examples=40)
@given(st.integers(1, 60), st.integers(1, 12))
def test_windows_predict_each_token_once_from_as_much_as_fits(length: int, context: int) -> None:
    ids = list(range(1, length + 1))
    windows = rolling_windows(ids, 0, context)
    assert [token for window in windows for token in window.ids] == ids
    for window in windows:
        assert len(window.context) + len(window.ids) == min(context, length) + 1
        assert [*window.context, *window.ids] == list(range(window.context[0], window.ids[-1] + 1))
