"""The arithmetic behind the published figures, on cases worked by hand."""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from benchmarks import gpu, gpu_variants, readme, result
from benchmarks.bare_task import bare_task
from benchmarks.memory import run as memory_run
from benchmarks.memory.pretended_card import pretended_card
from benchmarks.speedrun import ladder, runner
from benchmarks.throughput.run import BUSY
from benchmarks.time_to_quality.run import summarize
from torch import nn

from groundup.model.settings import preset_config
from groundup.model.transformer import Transformer
from groundup.training.compiled import SUMS_IN_PARTS
from groundup.training.settings import TrainingSettings
from groundup.training.step import prepare_machinery, take_step

RUNG = runner.Rung("any")
TEXT = (np.zeros(1, np.uint16), np.zeros(1, np.uint16))


def test_ratios_are_those_within_a_round() -> None:
    base, ours = [2.0, 9.0, 4.0, 8.0], [1.0, 3.0, 4.0, 2.0]  # twice, three times, once and four times as fast
    assert result.ratios(base, ours) == (2.5, [2.0, 3.0])
    row = result.compared(base, ours, "times_base")
    assert row == {"times_base": 2.5, "half_of_rounds": [2.0, 3.0], "seconds_in_rounds": ours}
    assert readme.times_as_fast(row, result.compared(base, base, "times_base")) == 2.5


def test_the_middle_half_leaves_a_quarter_out_at_each_end() -> None:
    assert result.half([8, 1, 7, 2, 6, 3, 5, 4]) == [3, 6]


@pytest.mark.parametrize("count", [4, 12])
def test_steps_that_are_timed_stand_for_equal_shares_of_a_run(count: int) -> None:
    steps = runner.evenly_spread(count, 1200)
    for share in (0.25, 0.5, 0.75):
        assert sum(step < share * 1200 for step in steps) == share * count
    assert len(set(steps)) == count


def test_a_cost_counts_what_changes_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rung whose steps cost half as much in the first half of a run and twice as much in its last quarter."""
    clock = 0.0

    def take_step(task: Any, machinery: Any, step: int, factor: float) -> None:
        nonlocal clock
        clock += task.cost(step / 1200)

    costs: list[Callable[[float], float]] = [
        lambda where: 1.0,
        lambda where: 0.5 if where < 0.5 else 1.0 if where < 0.75 else 2.0,
    ]
    tasks = (SimpleNamespace(settings=SimpleNamespace(num_threads=1), cost=cost) for cost in costs)
    monkeypatch.setattr(runner, "build", lambda *arguments: (next(tasks), None))
    monkeypatch.setattr(runner, "take_step", take_step)
    monkeypatch.setattr(time, "thread_time", lambda: clock)
    assert runner.cost_a_step(RUNG, RUNG, TEXT) == pytest.approx(0.25 + 0.25 + 0.5)


def runs(**losses: list[float]) -> list[dict[str, Any]]:
    return [
        {"name": name, "seed": seed, "steps": 10, "loss": loss, "loss_64": loss}
        for name, own in losses.items()
        for seed, loss in enumerate(own)
    ]


def test_the_rule_of_the_ladder() -> None:
    """Variances 0.02 and 0.06, so one of 0.04: the threshold is 2 · √(2 · 0.04) = 0.566."""
    taken = runs(base=[1.9, 2.1], better=[1.4 - 0.03**0.5, 1.4 + 0.03**0.5])
    assert ladder.threshold(taken) == pytest.approx(2 * math.sqrt(0.08))
    best, base = ladder.table({"better": 0.5}, taken)
    assert (best["name"], best["gain"], best["score"]) == ("better", 0.6, round(0.6 * math.sqrt(2), 4))
    assert (best["helps"], best["hurts"], base["helps"]) == (True, False, False)
    worse = ladder.table({"worse": 1.0}, runs(base=[1.9, 2.1], worse=[2.5, 2.7]))[-1]
    assert (worse["name"], worse["helps"], worse["hurts"]) == ("worse", False, True)


def test_one_seed_tells_nothing() -> None:
    best, base = ladder.table({"better": 0.5}, runs(base=[2.0], better=[1.0]))
    assert not best["helps"]
    assert best["gain"] == 1.0
    assert base["gain"] == 0.0


def test_shares_of_a_time_are_those_of_each_turn() -> None:
    def run(who: str, seed: int, seconds: float) -> dict[str, Any]:
        return {"who": who, "seed": seed, "seconds": seconds, "peak_rss": 1, "loss_64": 1.0}

    rows = summarize([run("nanoGPT", 1, 100), run("ours", 1, 20), run("nanoGPT", 2, 50), run("ours", 2, 20)])
    assert rows[1]["shares"] == [0.2, 0.4]
    assert rows[1]["share_of_nanogpts_time"] == 0.3


def test_arguments_are_refused_before_anything_is_measured(tmp_path: Path) -> None:
    empty = tmp_path / "empty.txt"
    empty.touch()
    refused: list[tuple[Callable[[str], object], str, str]] = [
        (result.at_least_one, "0", "'0' is not a whole number of at least 1"),
        (result.at_least_one, "many", "'many' is not a whole number of at least 1"),
        (result.text_file, str(empty), "is no file with text in it"),
        (result.text_file, str(tmp_path), "is no file with text in it"),
        (result.nanogpt_checkout, str(tmp_path), "holds no model.py: give a clone of karpathy/nanoGPT"),
        (result.output_file, str(empty / "result.json"), "can't be made"),
    ]
    for kind, given, why in refused:
        with pytest.raises(argparse.ArgumentTypeError, match=why):
            kind(given)
    assert result.output_file(str(tmp_path / "new" / "result.json")).parent.is_dir()


def test_who_keeps_a_core_busy_ends_with_its_parent() -> None:
    parent = f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {BUSY!r}, '0']).wait())"
    done = subprocess.run([sys.executable, "-c", parent], capture_output=True, text=True, timeout=60)
    assert done.stdout == "0\n", "0 is not its parent's number, so it ended at once"
    busy = subprocess.Popen([sys.executable, "-c", BUSY, str(os.getpid())])
    with pytest.raises(subprocess.TimeoutExpired):
        busy.wait(timeout=0.5)
    busy.kill()
    busy.wait()


@pytest.mark.parametrize("name", list(gpu_variants.VARIANTS))
def test_a_variant_of_a_step_on_a_card_computes_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here on a CPU and not compiled; what takes less digits comes near. But for the one that is told to, none changes what is fused."""
    asked: list[dict[str, Any]] = []

    def not_compiled(network: nn.Module, **options: Any) -> nn.Module:
        asked.append(options)
        object.__setattr__(network, "_orig_mod", network)  # a compiled one knows what it was made of
        return network

    monkeypatch.setattr(torch, "compile", not_compiled)
    shape = {"vocab_size": 50, "d_model": 16, "num_layers": 1, "num_heads": 2, "max_seq_len": 8}
    variant, rows = gpu_variants.VARIANTS[name], np.random.default_rng(0).integers(0, 50, (2, 9))
    losses = []
    for changed in (gpu_variants.Variant(), variant):
        torch.manual_seed(1)
        model = Transformer(preset_config("classic", dropout=0.0, norm_position="pre", **shape))
        settings = TrainingSettings(
            batch_size=2, optimizer="adamw", precision="bf16", num_threads=1, compile=True, **changed.settings
        )
        task = changed.of_task(bare_task(model, settings, lambda step: rows if step == 0 else rows[::-1].copy()))
        machinery = prepare_machinery(task)
        changed.of_machinery(machinery)
        with machinery.shards:
            losses.append([float(take_step(task, machinery, step, 1.0).loss) for step in range(2)])
    assert losses[1] == pytest.approx(losses[0], rel=2e-3)
    assert (asked[-1].get("options") or {}).get(SUMS_IN_PARTS) is (None if "all of" in name else False)


@pytest.mark.parametrize("name", list(gpu_variants.VARIANTS))
def test_a_variant_has_copies_of_weights_that_stay_but_for_the_one_that_is_told_not_to(name: str) -> None:
    variant = gpu_variants.VARIANTS[name]
    shape = {"vocab_size": 50, "d_model": 16, "num_layers": 1, "num_heads": 2, "max_seq_len": 8}
    with pretended_card():
        model = Transformer(preset_config("classic", **shape)).to("meta").to("cuda")
        settings = TrainingSettings(batch_size=2, optimizer="adamw", precision="bf16", **variant.settings)
        task = variant.of_task(bare_task(model, settings, lambda step: np.zeros((2, 9), dtype=np.int64)))
        with variant.preparing():
            machinery = prepare_machinery(task)
    assert bool(machinery.optimizer.matrices.names) == ("copied at each step" not in name)


@pytest.mark.parametrize(
    ("card", "flops"), [("NVIDIA H200", 989e12), ("NVIDIA H200 NVL", None), ("NVIDIA H100 PCIe", None)]
)
def test_a_share_of_the_datasheet_is_told_of_the_modules_that_it_is_of(
    card: str, flops: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: card)
    assert gpu.sheet_flops() == flops


def test_memory_of_a_card_that_is_not_there_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("sys.argv", ["run", "--device", "cuda"])
    with pytest.raises(SystemExit, match="this machine has no CUDA device"):
        memory_run.main()
