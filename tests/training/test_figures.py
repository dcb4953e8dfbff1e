"""Figures beside the loss: sums from the objective, means in the records, the same however a batch is divided."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from groundup.model.settings import preset_config
from groundup.model.transformer import Transformer
from groundup.run.directory import RunDirectory
from groundup.training.loop import train
from groundup.training.objectives.language_model import loss_sum
from groundup.training.settings import TrainingSettings
from groundup.training.task import Task

BATCH = np.random.default_rng(0).integers(0, 7, (4, 9))


def with_figures(model: nn.Module, batch: Tensor) -> Tensor:
    """The loss, how many tokens are a 3, and how many rows there are."""
    figures = (batch[:, 1:] == 3).sum(), torch.tensor(len(batch))
    return torch.stack([loss_sum(model, batch), *(figure.float() for figure in figures)])


def run_steps(folder: Path, **changed: Any) -> list[dict[str, Any]]:
    torch.manual_seed(0)
    shape = {"vocab_size": 7, "d_model": 16, "num_layers": 1, "num_heads": 2, "max_seq_len": 8}
    folder.mkdir(exist_ok=True)
    run = RunDirectory(folder)
    run.write_manifest({"checkpoints": {}})
    settings = {"batch_size": 4, "max_steps": 3, "logging_steps": 1, "num_threads": 1, "optimizer": "adamw"}
    task = Task(
        model=Transformer(preset_config("llama", **shape)),
        settings=TrainingSettings(precision="fp32", **{**settings, **changed}),
        run=run,
        loss_sum=with_figures,
        batch=lambda step: BATCH,
        evaluate=lambda: {"loss": 1.0, "threes": 2.5, "else": 3.0},
        sample=None,
        show=lambda: None,
        save_model=lambda directory: None,
        peak_flops=1e12,
        fingerprint={},
        count_terms=len,
        figure_names=("threes", "rows"),
    )
    train(task)
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line["kind"] == "train"]


def test_figures_are_means_over_terms_and_stand_in_the_records(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = run_steps(tmp_path)
    assert [line["rows"] for line in lines] == [1.0, 1.0, 1.0]
    assert lines[0]["threes"] == (BATCH[:, 1:] == 3).sum() / 4
    assert lines[0]["loss"] == pytest.approx(8 * np.log(7), rel=0.05), "a row's loss: eight tokens"
    assert lines[-1]["tokens"] == 3 * 4 * 8
    shown = capsys.readouterr().err
    assert f"threes {lines[0]['threes']:.3f}  rows 1.000" in shown
    assert "validation loss 1.0000, threes 2.5000  (best so far)" in shown


@pytest.mark.parametrize(
    "changed", [{"accumulation_steps": 2}, {"accumulation_steps": 4}, {"num_threads": 2}, {"num_threads": 3}]
)
def test_parts_and_threads_give_the_same_to_rounding(tmp_path: Path, changed: dict[str, int]) -> None:
    whole, parts = run_steps(tmp_path / "whole"), run_steps(tmp_path / "parts", **changed)
    for one, other in zip(whole, parts, strict=True):
        for name in ("loss", "threes", "rows", "grad_norm"):
            assert one[name] == pytest.approx(other[name], rel=1e-4), name


def test_figures_go_to_tensorboard(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run_steps(tmp_path, tensorboard=True)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    scalars = events.Tags()["scalars"]
    assert {"train/loss", "train/threes", "train/rows", "validation/loss", "validation/threes"} <= set(scalars)
    assert "validation/else" not in scalars
