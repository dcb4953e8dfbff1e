"""Runs that start from a model: what their page and their card say of the base, of what is learned, and of pairs."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import metadata_load

from groundup.recipe import fine_tuning
from groundup.report import tables
from groundup.report.card import render_card
from groundup.report.facts import read_run
from groundup.report.page import render_report
from groundup.report.tables import network_shape, recipe_rows, used_settings
from groundup.text.catalogue import MODELS

WriteRun = Callable[..., Path]
OBJECTIVES = ("language_model", "instruction", "preference")
TRAINED = "12,000"


def words_of(html: str) -> str:
    """A page's text without its tags, a space between."""
    shown = re.sub(r"<style>.*?</style>|<script>.*?</script>", "", html, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", shown).split())


def page(run: Path) -> str:
    return words_of(render_report(read_run(run)))


def card(run: Path, chat: bool = True) -> str:
    return render_card(read_run(run), chat)


def change(path: Path, **values: Any) -> None:
    """Lay values over those of a JSON file's object."""
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **values}), encoding="utf-8")


def test_facts_tell_the_base_and_what_was_trained(write_tuned_run: WriteRun) -> None:
    facts = read_run(write_tuned_run("preference"))
    assert facts.base is not None
    assert (facts.base.name, facts.base.entry) == ("smollm2-135m-instruct", MODELS["smollm2-135m-instruct"])
    assert (facts.objective, facts.trained_parameters, facts.total_parameters) == ("preference", 12_000, 815_360)
    assert facts.lora is not None
    assert facts.lora["rank"] == 8
    assert facts.before is not None
    assert (facts.before.step, facts.before.margin) == (0, 0.0)
    assert facts.best is not None
    assert (facts.best.accuracy, facts.best.pairs, facts.best.perplexity) == (0.7, 99, None)
    assert facts.best_in_training is not None
    assert facts.best_in_training.step == 400
    assert facts.training[-1].chosen_reward == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("name", "shown", "hub_id"),
    [
        ("smollm2-135m-instruct", "smollm2-135m-instruct", "HuggingFaceTB/SmolLM2-135M-Instruct"),
        ("hf://owner/a-model@1a2b", "owner/a-model@1a2b", "owner/a-model"),
        ("runs/shakespeare", "runs/shakespeare", ""),
        ("/home/me/models/mine", "mine", ""),  # where it lay is nobody's business
        ("models/mine.gguf", "models/mine.gguf", ""),
    ],
)
def test_a_base_is_named_as_others_know_it(write_tuned_run: WriteRun, name: str, shown: str, hub_id: str) -> None:
    run = write_tuned_run(base={"name": name, "sha256": "ab" * 32})
    facts = read_run(run)
    assert facts.base is not None
    assert (facts.base.name, facts.base.hub_id) == (shown, hub_id)
    text = card(run)
    (run / "README.md").write_text(text, encoding="utf-8")
    metadata = metadata_load(run / "README.md")
    assert metadata is not None
    assert metadata.get("base_model", "") == hub_id
    assert f"from `{shown}`" in text
    assert f"| base | {shown} | `{'ab' * 32}` |" in text
    assert ("**dequantized**" in text) == ("smollm2" in name or "gguf" in name)
    assert "/home/me" not in text + page(run)


def test_instruction_tuning_is_told_as_such(write_tuned_run: WriteRun) -> None:
    told = page(write_tuned_run("instruction"))
    for expected in (
        "Instruction tuning of smollm2-135m-instruct, with LoRA",
        "nats a token, over 479,000 held-out tokens that carry loss",
        "Before → after 2.750 → 1.534 validation loss of the base and of step 400, both over 50,000 tokens",
        "Trained parameters 12,000 low-rank matrices of rank 8 beside attention, 1.5 % as many",
        "Training tokens 819,200 4.00 × those that carry loss in the training rows",  # 819,200 / 204,800
        "each token that it is to learn",
        "the dashed line is the base, before any step. Loss is carried by the assistant's tokens only, the end of each turn",
        "before tuning: 2.750",
        "815,360 parameters, by part",
        "12,000 were trained: low-rank matrices",
        "rows 900 99",
        "tokens that carry loss 204,800 22,000",
        "rows that teach where an answer ends 898 99",
        "chat template chatml",
        "an answer ends with <|im_end|>".replace("<", "&lt;").replace(">", "&gt;"),
        "dropped, of 1,000 rows too long 1",
        "rows changed later exchanges left out 7",
        "3 of the held-out rows have a prompt that is trained on, too",
        "each by itself, by length, 3.1 % padding",
        "tokenizer the base&#39;s, 87 tokens",
        "[training.lora] rank 8",
    ):
        assert expected.replace("'", "&#39;") in told.replace("'", "&#39;"), expected
    for wrong in ("guessing", "each next token", "trainable parameters", "Chosen and rejected"):
        assert wrong not in told, wrong


def test_preference_tuning_shows_what_the_answers_gained(write_tuned_run: WriteRun) -> None:
    told = page(write_tuned_run("preference", "full"))
    for expected in (
        "Preference tuning of smollm2-135m-instruct, all weights",
        "Best checkpoint at step 400: validation loss 0.4567, accuracy 70.0 %, margin 0.800.",
        "nats a pair, over 99 held-out pairs; it began at 0.693",
        "Accuracy 70.0 % of the pairs",
        "Rewards 0.200 / -0.600 chosen / rejected",
        "Trained parameters 815,360 all of them",
        "loss (nats per pair)",
        "where it began: ln 2 = 0.69",
        "Direct preference optimization (β 0.1)",
        "Chosen and rejected",
        "Rejected reward over training steps",
        "pairs 900 99",
    ):
        assert expected in told, expected
    for wrong in ("Perplexity", "Bits per byte", "guessing", "each next token", "2.750"):
        assert wrong not in told, wrong


def test_accuracy_is_not_told_of_a_model_that_is_its_own_reference(write_tuned_run: WriteRun) -> None:
    run = write_tuned_run("preference", steps=50, finished=False)
    told = page(run)
    assert "Before tuning at step 0: validation loss 0.6931." in told
    assert "Accuracy – of the pairs" in told
    html = render_report(read_run(run))
    accuracy = html.split("<title>Accuracy over training steps</title>")[1].split("</svg>")[0]
    assert 'data-name="validation"' not in accuracy


def test_a_text_that_a_model_is_tuned_on_is_told_as_such(write_tuned_run: WriteRun) -> None:
    run = write_tuned_run("language_model")
    told = page(run)
    for expected in (
        "Fine-tuning of smollm2-135m-instruct, with LoRA",
        "before tuning: 2.750",
        "each next token",
        "documents 34 4",
    ):
        assert expected in told, expected
    assert "guessing" not in told
    text = card(run)
    assert "groundup generate . --prompt" in text
    assert "`groundup chat .` talks with it, though it was tuned on texts" in text
    assert "following instructions or writing of other subjects, it may have lost in part" in text
    assert "It was not trained to follow instructions" not in text
    assert "chat" not in card(run, chat=False)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("method", ["full", "lora"])
def test_the_card_of_each_kind(write_tuned_run: WriteRun, objective: str, method: str) -> None:
    run = write_tuned_run(objective, method)
    text = card(run)
    (run / "README.md").write_text(text, encoding="utf-8")
    metadata = metadata_load(run / "README.md")
    assert metadata is not None
    tags = {"language_model": [], "instruction": ["sft"], "preference": ["dpo"]}[objective]
    assert metadata["tags"] == ["groundup", "qwen3", *tags, *(["lora"] if method == "lora" else [])]
    assert metadata["base_model"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert metadata["license"] == "unknown"
    assert "The base's license is Apache-2.0" in text
    assert "## What it was tuned from" in text
    assert f"SHA-256 of its weights, by tensor: `{read_run(run).base.sha256}`" in text  # type: ignore[union-attr]
    assert (f"{TRAINED} parameters were trained: low-rank matrices of rank 8" in text) == (method == "lora")
    assert ("All weights were trained." in text) == (method == "full")
    types = [metric["type"] for metric in metadata["model-index"][0]["results"][0]["metrics"]]
    of_pairs = objective == "preference"
    assert types == (["loss", "accuracy", "margin"] if of_pairs else ["loss", "perplexity", "bits_per_byte"])
    assert ("| Accuracy | 70.0 % |" in text) == of_pairs
    assert ("| Perplexity |" in text) != of_pairs
    assert ("Before tuning the loss was 2.750 where that of step 400 was 1.534" in text) != of_pairs
    assert ("over the same 50,000 tokens" in text) != of_pairs
    assert "only guesses" not in text


def test_a_model_that_answers_is_asked_in_its_template(write_tuned_run: WriteRun) -> None:
    run = write_tuned_run("instruction", prompt="<|im_start|>user\nHow are you?<|im_end|>\n<|im_start|>assistant")
    text = card(run)
    snippet = text.split("```python\n")[1].split("```")[0]
    messages = next(
        ast.literal_eval(node.value)
        for node in ast.walk(ast.parse(snippet))
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "messages"
    )
    assert messages == [{"role": "user", "content": "What is the capital of France?"}]
    assert "tokenizer.apply_chat_template(messages, add_generation_prompt=True" in snippet
    assert "```sh\ngroundup chat .\n```" in text
    assert "<|im_start|>assistant\nANTONIO:" in text  # an answer stands below its question
    assert "It was not taught to refuse harmful requests" in text
    assert "It was tuned on" not in text  # its rows were as long as its context
    html = render_report(read_run(run))
    assert "assistant</mark><span>\nANTONIO:" in html
    assert "<mark>The question</mark> was asked" in html
    assert "before tuning, step 0" not in html  # no sample was drawn there
    assert "apply_chat_template" not in card(run, chat=False)


def test_tuning_that_did_not_help_is_said(write_tuned_run: WriteRun) -> None:
    run = write_tuned_run()
    note = "No checkpoint does better than the base itself"
    assert note not in page(run)
    with (run / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"kind": "validation", "step": 0, "loss": 1.25}\n')
    assert note in page(run)


def test_settings_that_say_nothing_of_the_run_are_not_shown(write_tuned_run: WriteRun) -> None:
    assert tables.OF_THE_RECIPE == fine_tuning.OF_THE_RECIPE
    sections = dict(recipe_rows(used_settings(read_run(write_tuned_run("instruction", "lora")))))
    assert sections["model"] == [("max_seq_len", "256")]
    assert "tokenizer" not in sections
    assert "training.lora" in sections
    assert "training.preference" not in sections
    sections = dict(recipe_rows(used_settings(read_run(write_tuned_run("preference", "full")))))
    assert "training.lora" not in sections
    assert sections["training.preference"] == [("beta", "0.1")]


def test_a_stretched_rotation_is_a_row_for_each_of_its_settings(write_tuned_run: WriteRun) -> None:
    run = write_tuned_run()
    config = {"rope_scaling": {"type": "llama3", "factor": 8.0}}
    change(run / "manifest.json", model={"config": config, "base": {"name": "x"}})
    assert network_shape(read_run(run)) == [("rope_scaling.type", '"llama3"'), ("rope_scaling.factor", "8.0")]
    change(run / "manifest.json", model={"config": {"rope_scaling": {"type": "default", "factor": 1.0}}})
    assert network_shape(read_run(run)) == [("rope_scaling", '"default"')]


def test_shorter_rows_than_the_context_and_a_held_out_source_are_said(write_tuned_run: WriteRun) -> None:
    run = write_tuned_run()
    recipe = (run / "recipe.toml").read_text(encoding="utf-8")
    recipe = recipe.replace("max_seq_len = 256", "max_seq_len = 64").replace(
        "[data]", '[data]\nvalidation_source = "b"'
    )
    (run / "recipe.toml").write_text(recipe, encoding="utf-8")
    text = card(run)
    assert "It was tuned on at most 64 tokens at once" in text
    assert "Its figures are for the source that was held out" in text
    assert "held out a source of its own" in page(run)
    assert "split by" not in page(run)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_less_in_the_files_is_less_on_the_page(write_tuned_run: WriteRun, objective: str) -> None:
    run = write_tuned_run(objective, finished=False)
    for name in ("metrics.jsonl", "events.jsonl", "samples.jsonl"):
        (run / name).unlink()
    assert "The validation loss has not been measured yet." in page(run)
    assert "No validation loss has been measured." in card(run)
    (run / "recipe.toml").unlink()
    assert read_run(run).objective == objective  # the labels of the data say it, too
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    change(run / "manifest.json", model={"base": {"name": "x"}}, data={"labels": {"objective": objective}})
    assert re.search("tuning of x (preference|instruction|language_model)-lora not finished", page(run))
    change(run / "manifest.json", model={**manifest["model"], "base": "x", "trainable": "many"})
    assert "Training run" in page(run)
    assert "Tuned" not in card(run)
