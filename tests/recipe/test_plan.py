"""`groundup plan`: worked out for accelerators, measured here, searched for a budget; and what a run's manifest says of its plan."""

from __future__ import annotations

import errno
import json
import math
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import groundup as gu
from groundup.cli.plan import plan
from groundup.cli.runs import runs
from groundup.errors import DataError, MachineError, SettingError
from groundup.recipe import budget, compose, expected_memory
from groundup.recipe.accelerators import ACCELERATORS, EAGER, LAYER_SECONDS, RECORDED_LAYER_SECONDS, find_accelerator
from groundup.recipe.budget import check_minutes, shape_timed_here
from groundup.recipe.expected_memory import load_of, rank_here
from groundup.recipe.made_up import STEPS, made_up_data
from groundup.recipe.measure import measure_validation
from groundup.recipe.measured import Measured, Reading
from groundup.recipe.plan import advice, describe, find_config, plan_elsewhere, time_and_memory
from groundup.recipe.settings import Recipe, load_recipe
from groundup.recipe.shapes import find_shape, tokens_a_parameter
from groundup.recipe.sizes import Sizes, assumed_sizes, evaluated_tokens
from groundup.report.compute import WATTS_A_CORE
from groundup.run.directory import RunDirectory
from groundup.text.cache import cache_directory
from groundup.tokens.plan import validation_windows
from groundup.tokens.prepared_examples import PreparedExamples
from groundup.tokens.tokenizer import Tokenizer
from groundup.training.memory import LARGEST_KEPT, training_memory
from groundup.training.memory_kinds import Load
from groundup.training.memory_parts import Rank
from groundup.training.schedules import with_steps
from groundup.training.settings import TrainingSettings

GPT2 = [
    "model.preset=gpt2",
    "model.d_model=768",
    "model.num_layers=12",
    "model.num_heads=12",
    "model.max_seq_len=1024",
    "model.vocab_size=50257",
    "training.optimizer=adamw",
    "training.length_warmup_fraction=0",
    "training.batch_size=512",
    "training.max_steps=4769",
]

SOME = Sizes(vocab_size=100, rows=50_000, row_length=128.0, longest_row=128, learned_share=1.0, held_out=1000)


def planned(capsys: pytest.CaptureFixture[str], *arguments: Any, **options: Any) -> dict[str, Any]:
    plan(*arguments, as_json=True, **options)  # type: ignore[misc]
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_an_accelerator_goes_by_its_name_and_an_unknown_one_is_answered_with_the_nearest() -> None:
    assert find_accelerator("H100").memory == 80e9
    assert find_accelerator("RTX 4090").name == "rtx-4090"
    with pytest.raises(SettingError, match=r"--on = 'a100': did you mean a100-40gb or a100-80gb\? known are h100, "):
        find_accelerator("a100")
    with pytest.raises(SettingError, match=r"did you mean h[12]00"):
        find_accelerator("h10")
    with pytest.raises(SettingError, match="--on = 'zzz': known are"):
        find_accelerator("zzz")
    assert all(card.source for card in ACCELERATORS.values())


@pytest.mark.parametrize("minutes", [0.0, -1.0, math.nan, math.inf])
def test_no_time_is_refused(minutes: float) -> None:
    with pytest.raises(SettingError, match=r"--minutes = .*above 0"):
        check_minutes(minutes)


def test_elsewhere_the_time_is_arithmetic(capsys: pytest.CaptureFixture[str]) -> None:
    found = planned(capsys, "shakespeare", GPT2, on="h100", count=8)
    parameters, tokens = found["parameters"]["total"], found["tokens"]
    assert parameters == 124_439_808  # GPT-2's own count
    assert tokens == 4769 * 512 * 1024
    # 6 N D, of N without the positions, which are looked up; and attention's 12 · layers · width · context a token (PaLM, appendix B).
    a_token = 6 * (parameters - 1024 * 768) + 12 * 12 * 768 * 1024
    assert found["flops"] == pytest.approx(a_token * tokens, rel=0.002)
    elsewhere = found["elsewhere"]
    assert elsewhere["seconds"] == pytest.approx(found["flops"] / (EAGER * 989e12 * 8))
    assert elsewhere["joules"] == pytest.approx(elsewhere["seconds"] * 8 * 700)
    memory = elsewhere["memory"]
    assert memory["ddp"]["optimizer"] == 8 * parameters
    assert memory["fsdp"]["optimizer"] == parameters
    assert memory["fsdp"]["total"] < memory["ddp"]["total"] < memory["single"]["total"]
    assert found["assumed"]
    assert "here" not in found


def test_cards_wait_for_those_that_have_more_rows(capsys: pytest.CaptureFixture[str]) -> None:
    """Of eight rows five cards have two at the most, as four have, and so no time for a larger network."""
    compiled = [*GPT2, "training.compile=true"]

    def seconds(rows: int, parts: int, count: int) -> float:
        changes = [*compiled, f"training.batch_size={rows}", f"training.accumulation_steps={parts}"]
        return float(planned(capsys, "shakespeare", changes, on="h100", count=count)["elsewhere"]["seconds"])

    four = seconds(8, 1, 4)
    assert [seconds(8, 1, count) for count in (5, 7, 8)] == pytest.approx([four, four, four / 2])
    assert seconds(9, 3, 2) == pytest.approx(seconds(12, 3, 2))
    small = [*compiled, "training.batch_size=8"]
    four_cards, five_cards = (
        planned(capsys, "shakespeare", small, on="h100", count=count, minutes=60.0)["shape_for_budget"]
        for count in (4, 5)
    )
    assert four_cards["overrides"] == five_cards["overrides"]
    plan("shakespeare", small, on="h100", count=5)
    said = " ".join(capsys.readouterr().out.split())
    assert (
        "don't come out even over 5 cards: some wait for others, and a step takes 1.25 times as long as if they did."
        in said
    )


def test_what_is_computed_twice_takes_time_in_a_budget_too(capsys: pytest.CaptureFixture[str]) -> None:
    changes = ["training.activation_checkpointing=true", "training.compile=true"]
    shape = planned(capsys, "shakespeare", changes, on="h100", minutes=60.0)["shape_for_budget"]
    own = planned(capsys, "shakespeare", [*changes, *shape["overrides"]], on="h100")["elsewhere"]["seconds"]
    assert own == pytest.approx(shape["seconds_of_steps"])
    assert own <= 0.8 * 60 * 60


def test_how_fast_it_is_elsewhere_follows_from_the_format_the_compiler_and_the_host(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def seconds(*changes: str) -> float:
        return float(planned(capsys, "shakespeare", [*GPT2, *changes], on="h100")["elsewhere"]["seconds"])

    usual = seconds()
    assert seconds("training.compile=true") < usual
    assert seconds("training.precision=fp32") == pytest.approx(usual * 989 / 67)
    assert seconds("training.precision=tf32") == pytest.approx(usual * 989 / 494.7)  # half of the 16-bit rate
    wide, tf32 = (
        planned(capsys, "shakespeare", [*GPT2, f"training.precision={name}"], on="h100") for name in ("fp32", "tf32")
    )
    assert tf32["elsewhere"]["memory"] == wide["elsewhere"]["memory"]
    for name in ("t4", "mi300x"):
        with pytest.raises(SettingError, match=f"training.precision = 'tf32': {name} has no units for it"):
            plan("shakespeare", ["training.precision=tf32"], on=name)
    with pytest.raises(
        SettingError, match=r"training.precision = 'bf16': t4 has no units for it, .*use auto, which is fp32"
    ):
        plan("shakespeare", ["training.precision=bf16"], on="t4")
    auto, full, half = (
        planned(capsys, "shakespeare", [*GPT2, f"training.precision={name}"], on="t4")["elsewhere"]
        for name in ("auto", "fp32", "fp16")
    )
    assert auto == full, "as a training there takes it, which finds no units for bf16"
    assert half["seconds"] == pytest.approx(full["seconds"] * 8.1 / 65)
    found = planned(capsys, "shakespeare", [], on="h100", minutes=60.0)["shape_for_budget"]
    steps, layers = (int(found["overrides"][place].split("=")[1]) for place in (6, 1))
    assert 30 * 60 < steps * layers * RECORDED_LAYER_SECONDS <= 0.8 * 60 * 60
    small = planned(capsys, "shakespeare", [], on="h100")
    assert small["elsewhere"]["seconds"] == pytest.approx(
        2000 * 3 * RECORDED_LAYER_SECONDS
    )  # 3.3 were measured (docs/gpu.md)
    for changed, steps in (
        ("training.precision=fp16", 2000),
        ("data.packing=best_fit", 2000),
        ("data.document_attention=own", 2000),
        ("training.accumulation_steps=2", 4000),
    ):
        one_by_one = planned(capsys, "shakespeare", [changed], on="h100")
        assert one_by_one["elsewhere"]["seconds"] == pytest.approx(steps * 3 * LAYER_SECONDS)
    plan("shakespeare", [], on="h100")
    assert "Small networks don't fill a card" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("minutes", "memory", "limit"),
    [
        (60.0, None, "time"),
        (60.0, "8GB", "time"),
        (1e9, None, "memory"),
        (1e9, "8GB", "memory"),
        (None, "8GB", "memory"),
    ],
)
def test_what_a_budget_ends_at_is_said(
    capsys: pytest.CaptureFixture[str], minutes: float | None, memory: str | None, limit: str
) -> None:
    """Whatever was given: with time without end it is the card's memory."""
    found = planned(capsys, "shakespeare", [], on="h100", minutes=minutes, memory=memory)
    assert found["shape_for_budget"]["limited_by"] == limit


def test_where_no_machine_says_how_much_memory_it_has_time_is_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("groundup.recipe.budget.memory_bytes", lambda: 0)
    settings = load_recipe("shakespeare", ["model.vocab_size=100"])
    sizes, config = assumed_sizes(settings, Path(), 100), settings.model.network()
    found = budget.shape_for(settings, sizes, config, 1.0, None, 1e11, Rank())
    assert found["limited_by"] == "time"


def test_of_pairs_both_answers_are_read_and_of_rows_some_tokens_teach() -> None:
    """Tokens a second are those that carry loss."""
    sizes = replace(SOME, row_length=100.0, learned_share=0.2)
    found = {}
    for objective in ("instruction", "preference"):
        settings = load_recipe("instruct", [f"training.objective={objective}", "training.batch_size=8"])
        config = load_recipe("shakespeare", ["model.vocab_size=100"]).model.network()
        facts = describe(settings, sizes, config)
        there = plan_elsewhere(settings, sizes, config, ACCELERATORS["h100"], 1)
        assert there["tokens_per_second"] == pytest.approx(0.2 * facts["tokens"] / there["seconds"])
        found[objective] = facts["tokens_a_step"]
    assert found == {"instruction": 8 * 100, "preference": 2 * 8 * 100}


def test_what_does_not_fit_is_told_with_what_would(capsys: pytest.CaptureFixture[str]) -> None:
    plan("shakespeare", GPT2, on="t4")
    shown = capsys.readouterr().out
    assert "does not fit as it is: training.accumulation_steps=" in shown
    assert "no measurement of this card" in shown
    huge = ["model.preset=gpt2", "model.d_model=12288", "model.num_layers=96", "model.num_heads=96"]
    found = planned(capsys, "shakespeare", [*huge, "model.initialization=scaled"], on="h100")
    assert found["elsewhere"]["strategy"] is None
    assert found["elsewhere"]["advice"] == []


def test_what_would_fit_leaves_each_card_a_row_and_the_batch_whole() -> None:
    rows = ["model.d_model=1024", "model.num_heads=16", "model.num_layers=12", "model.max_seq_len=8192"]
    recipe = load_recipe("shakespeare", [*rows, "model.vocab_size=100", "training.batch_size=24"])
    load, card = Load(recipe.model.network(), recipe.training), ACCELERATORS["t4"]

    def found(load: Load, training: TrainingSettings, count: int) -> list[str]:
        return advice(load, training, [Rank("cuda", 4, strategy="ddp", world_size=count)], card.memory)

    assert found(load, recipe.training, 1) == ["training.accumulation_steps=24"]
    assert found(load, recipe.training, 8) == ["training.accumulation_steps=3"]
    assert found(load, recipe.training, 12) == ["training.accumulation_steps=2"]
    pairs = replace(load, settings=replace(load.settings, batch_size=2 * 24))  # two answers of each pair
    twice = "training.activation_checkpointing=true"
    assert found(pairs, recipe.training, 1) == ["training.accumulation_steps=6", twice], (
        "a pair stays in one part, so not 48"
    )


def test_a_shape_for_several_cards_is_one_that_they_train_together(capsys: pytest.CaptureFixture[str]) -> None:
    changes = ["training.batch_size=64", "model.max_seq_len=8192", "training.length_warmup_fraction=0"]
    for changed, strategy in (([], "fsdp"), (["training.compile=true"], "ddp")):
        found = planned(capsys, "shakespeare", [*changes, *changed], on="t4", count=8, memory="16GB")
        again = load_recipe("shakespeare", [*changes, *changed, *found["shape_for_budget"]["overrides"]])
        assert again.parallel.strategy == strategy
        assert again.training.batch_size // again.training.accumulation_steps >= 8
        assert set(found["elsewhere"]["memory"]) == {"single", "ddp", strategy}
    small = planned(capsys, "shakespeare", changes, on="t4", count=8, minutes=60.0)["shape_for_budget"]
    assert "parallel.strategy=ddp" in small["overrides"], "where there is room, less travels so"
    alone = planned(capsys, "shakespeare", changes, on="t4", memory="16GB")["shape_for_budget"]["overrides"]
    assert not [each for each in alone if each.startswith("parallel.")]


def test_counts_and_options_that_make_no_sense_are_refused() -> None:
    private = ["training.privacy.epsilon=8", "training.length_warmup_fraction=0", "data.packing=documents"]
    with pytest.raises(SettingError, match=r"--count = 2: use 1 with training\.privacy, which one process trains with"):
        plan("shakespeare", private, on="h100", count=2)
    with pytest.raises(SettingError, match="--count = 0: use a whole number of at least 1"):
        plan("shakespeare", [], on="h100", count=0)
    with pytest.raises(SettingError, match="--count = 2: it goes with --on"):
        plan("shakespeare", [], count=2)
    with pytest.raises(SettingError, match="--count = 9: a part of a batch has 8 rows, and each card reads one"):
        plan("shakespeare", [], on="h100", count=9)
    with pytest.raises(SettingError, match=r"--minutes = 1e-05: not even the smallest network is trained"):
        plan("shakespeare", [], on="h100", minutes=0.00001)
    with pytest.raises(SettingError, match="--on = '': known are h100"):  # of a shell's variable that isn't set
        plan("shakespeare", [], on="")
    with pytest.raises(SettingError, match="--memory = '': use a number and its unit"):
        plan("shakespeare", [], on="h100", memory="")
    with pytest.raises(SettingError, match="--on = 'h1000'"):
        plan("shakespeare", [], on="h1000")
    with pytest.raises(SettingError, match=r"--memory = '1.00 MB'.*smallest network takes"):
        plan("shakespeare", [], on="h100", memory="1MB")
    with pytest.raises(SettingError, match="--minutes"):
        plan("shakespeare", [], on="h100", minutes=0.0)
    with pytest.raises(SettingError, match="--memory = '8 apples': use a number and its unit"):
        plan("shakespeare", [], on="h100", memory="8 apples")
    with pytest.raises(DataError, match="there is no such file or folder here"):
        plan("shakespeare", ["data.source=shakespear"], on="h100")
    with pytest.raises(SettingError, match=r"model.base = 'hf://a/b': it is not on this machine, and a plan fetches"):
        plan("domain", ["model.base=hf://a/b"], on="h100")
    with pytest.raises(SettingError, match=r"model.base = 'smollm2-135m-instruct': it is not on this machine"):
        plan("domain", [], on="h100")


@pytest.mark.parametrize("flops", [1e13, 1e15, 1e18, 1e21])
def test_a_budget_of_arithmetic_is_spent_and_not_passed(flops: float) -> None:
    recipe = load_recipe("shakespeare", ["model.vocab_size=100"])
    found = find_shape(Load(recipe.model.network(), recipe.training), Rank(), flops=flops)
    assert found is not None
    tokens = found.max_steps * recipe.training.batch_size * recipe.model.max_seq_len
    assert tokens / found.parameters == pytest.approx(20 * min(1, found.parameters / 4e8) ** 0.4, rel=0.05)
    assert 0.4 * flops < found.flops <= flops
    assert found.config.d_model == 64 * found.config.num_heads
    # 6 N D operations with D tokens; attention, which counts nothing there, is half of them in small networks.
    assert 0.4 < 6 * found.parameters * tokens / flops < 1.1
    longer = find_shape(Load(recipe.model.network(), recipe.training), Rank(), flops=flops, most_steps=10**9)
    assert longer is not None
    assert longer.config == found.config
    assert 0.99 * flops < longer.flops <= flops
    some = find_shape(Load(recipe.model.network(), recipe.training), Rank(), flops=flops, most_steps=1)
    assert some == found, "never fewer than the network is worth the time with"


def test_the_best_known_networks_come_of_it() -> None:
    """Chinchilla's own: 70 thousand million parameters, 1.4 million million tokens."""
    assert tokens_a_parameter(70 * 10**9) * 70e9 == pytest.approx(1.4e12)
    table = json.loads((Path(__file__).parents[2] / "benchmarks/results/shapes.json").read_text())["rows"]
    for time in {row["time"] for row in table}:
        rows = sorted((row for row in table if row["time"] == time), key=lambda row: int(row["parameters"]))
        chosen = [row for row in rows if row["tokens_a_parameter"] >= tokens_a_parameter(row["parameters"])][-1]
        by_twenty = [row for row in rows if row["tokens_a_parameter"] >= 20][-1:]
        best = min(row["loss"] for row in rows)
        assert chosen["loss"] <= best + 0.02, f"as good as any that was trained for {time} steps' time"
        assert all(row["loss"] > best + 0.04 for row in by_twenty)


def test_the_printed_overrides_are_the_shape_whatever_the_recipe_says_of_it() -> None:
    said = ["model.vocab_size=100", "model.num_heads=6", "model.num_kv_heads=2", "model.head_dim=32", "model.d_ff=500"]
    said += ["training.epochs=3", "model.num_layers=12", "model.sliding_window=32", "model.first_windowed_layer=6"]
    recipe = load_recipe("shakespeare", said)
    for flops in (1e13, 1e14, 1e15):
        found = find_shape(Load(recipe.model.network(), recipe.training), Rank(), flops=flops)
        assert found is not None
        again = load_recipe("shakespeare", [*said, *found.overrides(recipe.training)])
        assert again.model.network() == found.config
        assert found.config.first_windowed_layer == found.config.num_layers // 2, "the upper half's, as in the recipe"
        assert with_steps(again.training, num_rows=1000).max_steps == found.max_steps


def test_a_shape_has_two_layers_at_the_least_and_shares_heads_as_the_recipe_does() -> None:
    heads_of_three = ["model.d_model=384", "model.num_heads=6", "model.num_kv_heads=2"]
    recipe = load_recipe("shakespeare", ["model.vocab_size=100", *heads_of_three])
    load, freed = Load(recipe.model.network(), recipe.training), Rank(keeps_freed=True)
    smallest = find_shape(load, freed, flops=1e11)
    assert smallest is not None
    assert (smallest.config.num_layers, smallest.config.d_model) == (2, 64)
    assert find_shape(load, freed, flops=0.99 * smallest.flops) is None
    shared = set()
    for flops in (1e15, 1e16, 1e18):
        found = find_shape(load, freed, flops=flops)
        assert found is not None
        heads = found.config.num_heads
        assert found.config.num_kv_heads == (heads // 3 if heads % 3 == 0 else heads)
        shared.add(heads % 3 == 0)
        # Of a large network the C library gives back what is freed.
        small = found.parameters <= LARGEST_KEPT
        assert found.memory == training_memory(replace(load, config=found.config), Rank(keeps_freed=small)).total
    assert True in shared
    assert not small


def test_a_tokenizer_and_files_that_are_here_are_looked_at(
    capsys: pytest.CaptureFixture[str], tiny_base: Path, tmp_path: Path
) -> None:
    for number in range(3):
        (tmp_path / f"{number}.txt").write_text("a text of words " * 1000, encoding="utf-8")
    changes = [f"data.source={tmp_path}/*.txt", "tokenizer.kind=existing", f"tokenizer.path={tiny_base}"]
    found = planned(capsys, "shakespeare", changes, on="h100")
    assert found["parameters"]["token_embedding"] == 128 * Tokenizer.load(tiny_base).vocab_size
    assert "0.048 MB of text (as the files or the catalogue say), 4 bytes a token" in found["assumed"]
    elsewhere = planned(capsys, "shakespeare", [*changes[:2], "tokenizer.path=hf://a/b"], on="h100")
    assert "a vocabulary of 50,000" in elsewhere["assumed"]


def test_a_budget_of_memory_holds_what_is_found_and_not_much_more() -> None:
    recipe = load_recipe("shakespeare", ["model.vocab_size=100"])
    small, large = (
        find_shape(Load(recipe.model.network(), recipe.training), Rank(), memory=size) for size in (1e8, 1e9)
    )
    assert small is not None
    assert large is not None
    assert small.parameters < large.parameters
    for found, most in ((small, 1e8), (large, 1e9)):
        settings = replace(recipe.training, accumulation_steps=found.accumulation_steps)
        assert training_memory(Load(found.config, settings), Rank()).total == found.memory <= most


def found_here(changes: list[str], sizes: Sizes, minutes: float | None, memory: float | None) -> dict[str, Any]:
    """The shape for a budget on this machine, whose products are taken to reach so many operations a second."""
    settings = load_recipe("shakespeare", ["model.vocab_size=100", *changes])
    return budget.shape_for(settings, sizes, settings.model.network(), minutes, memory, 1e10, Rank())


def test_here_a_share_of_the_memory_is_left_for_what_the_estimate_misses() -> None:
    assert 0.5e9 < found_here([], SOME, None, 1e9)["memory_bytes"] <= 0.75e9
    with pytest.raises(SettingError) as refused:
        found_here([], SOME, None, 1e6)
    said = re.search(r"the smallest network takes ([\d.]+) MB: give at least so much", str(refused.value))
    assert said is not None
    least = float(said[1]) * 1e6
    assert found_here([], SOME, None, 1.01 * least)["overrides"][0] == "model.d_model=64"
    with pytest.raises(SettingError, match="smallest network takes"):
        found_here([], SOME, None, 0.98 * least)


def test_what_this_machine_would_hold_leaves_that_share_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "memory_bytes", lambda: 2_000_000_000)
    monkeypatch.setattr(expected_memory, "held_bytes", lambda: 300_000_000)
    large = ["model.d_model=2048", "model.num_heads=32", "model.num_layers=20", "model.vocab_size=100"]
    settings = load_recipe("shakespeare", large)
    fits = load_recipe("shakespeare", [*large, *budget.fitting_here(settings, SOME, settings.model.network())])
    config = fits.model.network()
    needed = training_memory(load_of(fits, SOME, config), rank_here(fits.training, config)).total
    assert 0.5 * 2e9 < needed <= 0.75 * 2e9


def test_what_time_is_left_goes_into_steps_until_the_text_was_read_four_times() -> None:
    """The memory bounds the network, and there is time for far more."""

    def steps_and_notes(rows: int) -> tuple[int, list[str]]:
        found = found_here([], replace(SOME, rows=rows), 1e6, 0.5e9)
        (steps,) = (each for each in found["overrides"] if each.startswith("training.max_steps="))
        return int(steps.partition("=")[2]), found["notes"]

    assert steps_and_notes(10**6)[0] == 4 * 10**6 // 8
    assert len(steps_and_notes(10**6)[1]) == 1
    few, notes = steps_and_notes(1000)
    assert few > 4 * 1000 // 8, "never fewer than the network is worth the time with"
    assert f"the text would be read {few * 8 / 1000:,.1f} times; more than 4 are worth little" in notes[1]


def test_muons_learning_rate_goes_with_the_width_and_adamws_stays() -> None:
    """By 1 / √width; the recipe's own is for a width of 128."""
    own = load_recipe("shakespeare", ()).training.learning_rate
    found = found_here([], SOME, None, 1e9)["overrides"]
    width = int(found[0].partition("=")[2])
    assert width > 256
    assert f"training.learning_rate={own * (128 / width) ** 0.5:.3g}" in found
    adamw = found_here(["training.optimizer=adamw"], SOME, None, 1e9)["overrides"]
    assert not [each for each in adamw if each.startswith("training.learning_rate")]


def test_a_budget_of_memory_holds_validation_as_the_recipe_has_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Of many windows read at once, which is most of a small network's memory."""
    changes = ["evaluation.batch_size=128"]
    shape = planned(capsys, "shakespeare", changes, on="h100", memory="1.2GB")["shape_for_budget"]
    own = planned(capsys, "shakespeare", [*changes, *shape["overrides"]], on="h100")["elsewhere"]["memory"]["single"]
    assert own["moment"] == "validation"
    assert own["total"] == shape["memory_bytes"] <= 1.2e9


def test_a_memory_budget_is_kept_to_in_as_many_parts_as_it_takes(
    tiny_recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("groundup.recipe.plan.SECONDS", 0.2)
    monkeypatch.setattr(expected_memory, "held_bytes", lambda: 0)
    source = tmp_path / "new.txt"  # not prepared, so that its vocabulary is taken for 100
    source.write_text("A text of which nobody knows the characters.\n" * 400, encoding="utf-8")
    recipe = load_recipe(str(tiny_recipe), ["model.vocab_size=100"])
    config = recipe.model.network()
    needed = training_memory(Load(config, recipe.training), rank_here(recipe.training, config)).total / 0.75
    for allowed, parts in ((needed * 1.001, 1), (needed * 0.999, 2)):
        here = planned(
            capsys, str(tiny_recipe), [f"data.source={source}", f"training.memory_budget={allowed / 1e6:.4f}MB"]
        )["here"]
        assert here["accumulation_steps"] == parts
        assert here["estimated_memory"]["total"] <= 0.75 * allowed
    with pytest.raises(SettingError, match=r"training.memory_budget = '1MB': training needs about .* allow that much"):
        plan(str(tiny_recipe), ["training.memory_budget=1MB"])
    plan("shakespeare", ["training.memory_budget=1.3GB", "training.batch_size=128"], on="h100")
    assert "16,384, read in 8 parts" in capsys.readouterr().out
    cards = planned(capsys, "shakespeare", [*GPT2, "training.memory_budget=20GB"], on="h100", count=4)["elsewhere"]
    assert cards["memory"][cards["strategy"]]["total"] <= 0.75 * 20e9
    assert 512 // cards["accumulation_steps"] >= 4


def test_of_several_processes_here_it_is_said_that_one_was_measured(
    tiny_recipe: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("groundup.recipe.plan.SECONDS", 0.2)
    plan(str(tiny_recipe), ["parallel.strategy=ddp", "parallel.processes=2"])
    assert "one process, by itself: what several take with parallel.strategy = 'ddp' is not" in capsys.readouterr().out


def test_here_some_steps_are_taken_and_nothing_is_left(
    tiny_recipe: Path,
    capsys: pytest.CaptureFixture[str],
    own_cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("groundup.recipe.plan.SECONDS", 0.5)
    source = tmp_path / "new.txt"
    source.write_text("A text that nobody has prepared.\n" * 400, encoding="utf-8")
    cache_directory()  # the folder itself is made by whoever looks into it first
    before = sorted(own_cache.rglob("*"))
    found = planned(capsys, str(tiny_recipe), [f"data.source={source}"])
    assert sorted(own_cache.rglob("*")) == before, "a plan prepares nothing"
    here = found["here"]
    assert "a vocabulary of 100" in found["assumed"]
    assert here["seconds"] == pytest.approx(sum(here["seconds_by_part"].values()))
    assert here["memory_bytes"] > 50e6
    assert here["tokens_per_second"] > 0
    assert list(tmp_path.iterdir()) == [source]
    monkeypatch.setattr("groundup.cli.plan.QUIET", 1.1)
    plan(str(tiny_recipe), [f"data.source={source}"], minutes=100.0)
    shown = capsys.readouterr().out
    assert "assumed: a vocabulary of 100" in shown
    assert "others were at work: the steps got " in shown
    assert "largest for this budget (time):" in shown
    assert ", by steps of its own; memory " in shown
    overrides = shown.split("groundup train ")[1].split()[1:]
    load_recipe(str(tiny_recipe), overrides)  # they are settings that there are


def test_a_network_that_takes_longer_than_was_asked_for_is_told_so(
    tiny_recipe: Path, text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is found is too long for a part of a second; of an hour it leaves much. Both times it is looked for once more."""
    monkeypatch.setattr("groundup.recipe.plan.SECONDS", 0.2)
    speeds: list[float] = []
    timed: list[list[str]] = []

    def shape_for(speed: float) -> dict[str, Any]:
        speeds.append(speed)
        return {"overrides": [f"training.max_steps={len(speeds)}"], "notes": ["first"]}

    def with_shape(overrides: list[str]) -> Recipe:
        timed.append(overrides)
        return load_recipe(str(tiny_recipe), [f"data.source={text_file}", *overrides])

    short, long = (shape_timed_here(shape_for, 1.0, minutes, with_shape, tmp_path) for minutes in (0.001, 60.0))
    assert speeds[0] == speeds[2] == 1.0
    assert min(speeds[1], speeds[3]) > 1e3, "what the steps reached"
    assert len(timed) == 4
    assert short["notes"][0] == "first"
    assert "that is more than 0.1 s: " in short["notes"][1]
    assert long["notes"] == ["first"]

    def the_same(speed: float) -> dict[str, Any]:
        return {"overrides": [], "notes": []}

    shape_timed_here(the_same, 1.0, 60.0, with_shape, tmp_path)
    assert len(timed) == 5, "the largest that there is memory for is timed once"


def reads(monkeypatch: pytest.MonkeyPatch, command: Callable[[], object]) -> list[tuple[int, bool]]:
    """What a command reads of what is held out: at most how many tokens (0: all), and whether the threads were there that take steps."""
    seen: list[tuple[int, bool]] = []

    def watched(model: Any, data: Any, batch_size: int, max_tokens: int) -> Any:
        steps_threads = any(thread.name.startswith("shard") for thread in threading.enumerate())
        seen.append((max_tokens, steps_threads))
        return measure_validation(model, data, batch_size, max_tokens)

    monkeypatch.setattr(compose, "measure_validation", watched)
    command()
    return seen


def test_a_plan_holds_what_training_does_at_the_same_moments(
    tiny_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = ["training.num_threads=2", "training.max_steps=20"]
    trained = reads(monkeypatch, lambda: gu.train(tiny_recipe, changes, run=tmp_path / "run", say=lambda line: None))
    assert trained == [(200, False), (200, True), (200, True), (0, False)]
    monkeypatch.setattr("groundup.recipe.plan.SECONDS", 2.0)
    planned_reads = reads(monkeypatch, lambda: plan(str(tiny_recipe), changes))
    # Little is read beside what steps hold, and all that the threads ever hold when these are gone. 192: whole windows of 16.
    assert planned_reads[:2] == [(192, False), (192, True)]
    assert planned_reads[2][0] > 200
    assert not any(beside for _, beside in planned_reads[2:])


def test_of_a_text_whole_windows_are_read_between_steps_and_one_at_the_least() -> None:
    """As `validation_windows` takes them; of pairs both answers."""
    for most, read in ((0, 1000), (1, 128), (300, 256), (5000, 1000)):
        settings = load_recipe("shakespeare", [f"evaluation.max_tokens={most}"])
        assert evaluated_tokens(settings, 1000) == read
        windows = validation_windows(1001, 128, most)
        assert (windows[:, 1] - windows[:, 0]).sum() == read
    for objective, read in (("instruction", 100), ("preference", 200)):
        settings = load_recipe("instruct", [f"training.objective={objective}", "evaluation.max_tokens=100"])
        assert evaluated_tokens(settings, 1000) == read


@pytest.mark.parametrize("objective", ["instruction", "preference"])
def test_rows_are_made_up_that_fit_a_small_tokenizer_and_context(
    objective: str, tiny_base: Path, tmp_path: Path
) -> None:
    """A word is several tokens here, and the template takes most of the context."""
    rows = tmp_path / "rows.jsonl"
    rows.write_text("", encoding="utf-8")
    changes = [f"model.base={tiny_base}", f"data.source={rows}", f"training.objective={objective}"]
    fitting = load_recipe("instruct", [*changes, "model.max_seq_len=128"])
    sizes = Sizes(vocab_size=300, rows=20, row_length=128, longest_row=128, learned_share=0.2, held_out=100)
    with made_up_data(fitting, tmp_path, sizes, None) as (_, data):
        assert isinstance(data, PreparedExamples)
        assert data.facts["left_out"]["counts"] == {}
        assert len(data.train) + len(data.validation) == STEPS * fitting.training.batch_size
        assert 110 < data.train.lengths.max() <= 128
    short = load_recipe("instruct", [*changes, "model.max_seq_len=20"])
    with (
        pytest.raises(SettingError, match=r"model.max_seq_len = 20: a question and an answer of a word each take \d+ "),
        made_up_data(short, tmp_path, replace(sizes, row_length=20), None),
    ):
        pass


def test_an_empty_text_is_told_as_training_tells_it(tmp_path: Path) -> None:
    source = tmp_path / "empty.txt"
    source.touch()
    with pytest.raises(DataError, match=r"empty.txt is empty: name a file with text in it"):
        plan("shakespeare", [f"data.source={source}"], on="h100")


@pytest.mark.parametrize("on", [None, "h100"])
def test_a_text_that_fills_no_batch_is_refused_as_training_refuses_it(on: str | None, tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text("One line of a short text.\n" * 40, encoding="utf-8")
    changes = [f"data.source={tmp_path / 'short.txt'}", "training.batch_size=8", "model.max_seq_len=256"]
    with pytest.raises(DataError, match=r"1,040 bytes are fewer than the tokens of one batch, 2,049 .*lower one of"):
        plan("shakespeare", changes, on=on)
    with pytest.raises(DataError, match=r"tokens are fewer than one batch of 2,049 .*lower one of"):
        gu.train("shakespeare", changes, run=tmp_path / "run", say=lambda line: None)
    with pytest.raises(DataError, match=r"tokens are fewer than one batch of 2,049 .*lower one of"):
        plan("shakespeare", changes, on=on)  # now that it is prepared, as training says it


def test_what_a_text_that_is_packed_or_compressed_holds_is_not_known(tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text("One line of a short text.\n" * 40, encoding="utf-8")
    (tmp_path / "short.txt.gz").write_bytes(b"any")
    for changes in (
        ["data.source=short.txt", "data.packing=documents", "training.length_warmup_fraction=0"],
        ["data.source=short.txt.gz"],
    ):
        settings = load_recipe("shakespeare", changes)
        assert assumed_sizes(settings, tmp_path).rows == settings.training.batch_size


@pytest.mark.parametrize("at", ["the text", "the checkpoint"])
def test_a_full_temporary_disk_is_told_with_what_to_do(
    at: str, tiny_recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is gone on with."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if at == "the text":
        monkeypatch.setattr("groundup.recipe.made_up.collect", full)
    else:
        monkeypatch.setattr("groundup.run.files.shutil.disk_usage", lambda path: SimpleNamespace(free=10))
    with pytest.raises(MachineError, match=rf"{tempfile.gettempdir()} has too little room .* TMPDIR, and plan again$"):
        plan(str(tiny_recipe), ["data.validation_fraction=0.13"])  # of which nothing is prepared


def test_reading_takes_as_long_as_the_thread_that_reads_most() -> None:
    reading = Reading(first=2.0, further=1.0, readers=2, batch_tokens=100)
    # One batch that is not full, one a thread, and two threads that read five batches each.
    assert [reading.seconds(tokens) for tokens in (50, 200, 1000)] == [100, 200, 200 + 400]


def test_the_whole_time_is_put_together_of_all_its_parts() -> None:
    """Of ten steps the fourth, the eighth and the last are followed by a validation; these and every third by a checkpoint."""
    changes = ["training.eval_steps=4", "training.save_steps=3", "training.sample_tokens=50", "training.num_threads=3"]
    settings = load_recipe("shakespeare", [*changes, "generation.max_new_tokens=30", "evaluation.max_tokens=300"])
    sizes = Sizes(vocab_size=9, rows=300, row_length=20.0, longest_row=20, learned_share=1.0, held_out=1000)
    measured = Measured(
        opening=1.0,
        step=2.0,
        first_step=0.5,
        reference=None,
        evaluation=Reading(0.01, 0.01, readers=1, batch_tokens=50),
        report=0.3,
        sample_token=0.02,
        checkpoint=0.7,
        end=Reading(0.001, 0.001, readers=1, batch_tokens=50),
        finish=5.0,
        flops=1e9,
        tokens=160.0,
        peak_flops=1e12,
        peak_bytes=12345,
        watts=None,
        cores_share=1.0,
        cut=False,
        measuring=9.0,
    )
    found = time_and_memory(settings, 10, sizes, measured)
    assert found["seconds_by_part"] == pytest.approx(
        {
            "opening": 1.0,
            "steps": 10 * 2.0 + 0.5,
            "evaluations": 4 * (2 * 128 * 0.01 + 50 * 0.02) + 3 * 0.3,  # one before the first step, without a report
            "checkpoints": 6 * 0.7,
            "finish": 5.0 + 1000 * 0.001 + 30 * 0.02,
        }
    )
    assert found["seconds"] == pytest.approx(sum(found["seconds_by_part"].values()))
    assert (found["tokens_per_second"], found["memory_bytes"]) == (80.0, 12345)
    assert (found["joules"], found["energy_is_measured"]) == (pytest.approx(20.5 * 3 * WATTS_A_CORE), False)
    assert found["energy"].endswith(f"an estimate, {WATTS_A_CORE:g} W for each of 3 cores: no counter can be read")
    read = time_and_memory(settings, 10, sizes, replace(measured, watts=40.0))
    assert (read["joules"], read["energy_is_measured"]) == (pytest.approx(20.5 * 40), True)


def test_of_pairs_the_base_reads_all_first() -> None:
    """In the format of its steps, which is quicker here than what is held out."""
    numbers = {each.name: 1 for each in fields(Measured)}
    reading, quicker = (Reading(each, each, readers=2, batch_tokens=100) for each in (0.01, 0.004))
    known = {**numbers, "evaluation": reading, "end": reading, "watts": None}
    sizes = Sizes(vocab_size=9, rows=300, row_length=20.0, longest_row=30, learned_share=0.5, held_out=1000)
    opening = []
    for objective, reference in (("instruction", None), ("preference", quicker)):
        settings = load_recipe("instruct", [f"training.objective={objective}"])
        measured = Measured(**{**known, "reference": reference})  # type: ignore[arg-type]
        opening.append(time_and_memory(settings, 10, sizes, measured)["seconds_by_part"]["opening"])
    assert opening == pytest.approx([1, 1 + 2 * 300 * 20 * 0.004 / 2 + 1000 * 0.01 / 2])


def test_what_this_machine_cannot_hold_is_not_begun(
    tiny_recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("plan", "budget"):
        monkeypatch.setattr(f"groundup.recipe.{module}.memory_bytes", lambda: 2_000_000_000)
    monkeypatch.setattr(expected_memory, "held_bytes", lambda: 300_000_000)
    plan(str(tiny_recipe), ["model.d_model=2048", "model.num_heads=32", "model.num_layers=20"])
    shown = capsys.readouterr().out
    assert "too large for this machine: it takes about" in shown
    assert "what would fit: model.d_model=" in shown
    (tmp_path / "long.txt").write_text("a long text of few words\n" * 700_000, encoding="utf-8")
    plan(str(tiny_recipe), ["training.batch_size=1048576", f"data.source={tmp_path / 'long.txt'}"])
    shown = capsys.readouterr().out
    assert "what would fit: training.accumulation_steps=" in shown, "a batch in parts, and the network as it is"
    assert "model." not in shown


def test_of_a_base_that_this_machine_cannot_hold_the_shape_is_given(
    tiny_base: Path,
    text_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in ("plan", "budget"):
        monkeypatch.setattr(f"groundup.recipe.{module}.memory_bytes", lambda: 4_000_000_000)
    large = shutil.copytree(tiny_base, tmp_path / "large")
    config = json.loads((large / "config.json").read_text(encoding="utf-8"))
    recipe, text = tmp_path / "recipe.toml", tmp_path / "text.txt"
    text.write_text(10 * text_file.read_text(encoding="utf-8"), encoding="utf-8")  # of which there is a batch
    recipe.write_text(f'[data]\nsource = "{text}"\n[model]\nbase = "{large}"\nmax_seq_len = 64\n', encoding="utf-8")
    for width, rows, told in ((16384, 8, "a smaller model.base"), (64, 1024, "training.accumulation_steps=")):
        shape = {"n_embd": width, "n_head": width // 64, "n_layer": 64}
        (large / "config.json").write_text(json.dumps({**config, **shape}), encoding="utf-8")
        plan(str(recipe), [f"training.batch_size={rows}"])
        assert f"what would fit: {told}" in capsys.readouterr().out


def test_what_products_reach_here_counts_those_that_are_computed_twice(
    tiny_recipe: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers: dict[str, Any] = {each.name: 1.0 for each in fields(Measured)}
    reading = Reading(1.0, 1.0, readers=1, batch_tokens=10)
    numbers |= {"reference": None, "evaluation": reading, "end": reading, "flops": 3e9, "step": 2.0}
    monkeypatch.setattr("groundup.recipe.plan.rehearse", lambda *arguments: Measured(**numbers))
    for twice in (False, True):
        found = planned(capsys, str(tiny_recipe), [f"training.activation_checkpointing={json.dumps(twice)}"])
        again = found["flops_computed_twice"] / found["flops"]
        assert 0.2 < again < 0.34 if twice else again == 0
        assert found["here"]["flops_per_second"] == pytest.approx((1 + again) * 3e9 / 2.0)


@pytest.mark.parametrize("in_part", [False, True])
def test_the_page_says_what_was_not_measured_whole(
    in_part: bool, tiny_recipe: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the figures in JSON do: a step of which some blocks were gone through, and memory that nothing held, are no measurement."""
    numbers: dict[str, Any] = {each.name: 1.0 for each in fields(Measured)}
    reading = Reading(1.0, 1.0, readers=1, batch_tokens=10)
    numbers |= {"reference": None, "evaluation": reading, "end": reading, "cut": in_part}
    monkeypatch.setattr("groundup.recipe.plan.rehearse", lambda *arguments: Measured(**numbers))
    plan(str(tiny_recipe))
    shown = " ".join(capsys.readouterr().out.split())
    assert ("), measured in part opening" in shown) == in_part
    assert ("memory at most, measured or worked out" in shown) == in_part
    assert ("a part of it was done, and tells of all (docs/planning.md)" in shown) == in_part
    assert ("memory at most, as measured" in shown) != in_part


def test_cards_take_the_strategy_that_keeps_to_the_budget(capsys: pytest.CaptureFixture[str]) -> None:
    """Not the first for which the card alone has room."""
    chosen = []
    for budget_bytes in range(8, 40, 2):
        changes = [*GPT2, f"training.memory_budget={budget_bytes}GB"]
        there = planned(capsys, "shakespeare", changes, on="h100", count=8)["elsewhere"]
        chosen.append(there["strategy"])
        assert there["memory"][chosen[-1]]["total"] <= 0.75 * budget_bytes * 1e9
    assert set(chosen) == {"ddp", "fsdp"}


def test_a_base_has_room_for_a_larger_vocabulary(tiny_base: Path, tmp_path: Path) -> None:
    settings = load_recipe("domain", [f"model.base={tiny_base}"])
    own = find_config(settings, tmp_path, 0).vocab_size
    assert own > 0
    assert find_config(settings, tmp_path, own + 3).vocab_size == own + 3


def test_a_device_that_is_not_there_is_told(tiny_recipe: Path) -> None:
    with pytest.raises(SettingError, match=r"training.device = 'mps'"):
        plan(str(tiny_recipe), ["training.device=mps"])


def test_apples_gpu_is_planned_as_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = load_recipe("shakespeare", ())
    monkeypatch.setattr(expected_memory, "pick_device", lambda name: torch.device("mps"))
    monkeypatch.setattr(expected_memory, "held_bytes", lambda: 300_000_000)
    rank = rank_here(recipe.training, recipe.model.network(), opened=100_000_000)
    # Its products are in fp32 unless it is asked for others, and its memory is the machine's: there are no libraries of CUDA's.
    assert rank == Rank("mps", 4, libraries=200_000_000 + expected_memory.LOADED)


def test_a_run_keeps_its_promise_and_its_outcome(
    tiny_recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = gu.train(tiny_recipe, run=tmp_path / "run", say=lambda line: None)
    kept = RunDirectory(run.path).manifest()["plan"]
    assert kept["promise"]["bytes"] == kept["promise"]["memory"]["total"] > 0
    assert 0 < kept["promise"]["after_steps"] <= RunDirectory(run.path).result()["steps"]
    assert kept["promise"]["seconds"] > 0
    assert kept["outcome"]["bytes"] > 50e6
    assert kept["outcome"]["seconds"] > RunDirectory(run.path).result()["seconds"]
    runs(tmp_path)
    assert " of " in capsys.readouterr().out
    assert "expected" in (run.path / "report.html").read_text(encoding="utf-8")


def test_a_cards_runtime_is_counted_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    memory = planned(capsys, "shakespeare", GPT2, on="h100", count=8)["elsewhere"]["memory"]
    assert {one["libraries"] for one in memory.values()} == {expected_memory.RUNTIME}
