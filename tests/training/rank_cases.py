"""Small trainings for any number of processes: `run_cases` is what each process of a test does."""

from __future__ import annotations

import json
import math
import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tests.preference_pairs import pair_batch, random_pairs
from torch import Tensor, nn

from groundup.device import end_with_parent
from groundup.errors import GroundupError, PeerLostError, RunError, TrainingError
from groundup.model.directory import load_model, save_model, save_model_part, save_part_index
from groundup.model.lora import add_lora
from groundup.model.lora_settings import LoraSettings
from groundup.model.settings import Preset, TransformerConfig, preset_config
from groundup.model.transformer import Transformer
from groundup.recipe import compose
from groundup.recipe.alike import require_alike, require_shared
from groundup.recipe.settings import load_recipe
from groundup.recipe.train import train as train_recipe
from groundup.run.checkpoints import list_checkpoints
from groundup.run.directory import FollowedRun, RunDirectory
from groundup.training import ranks as ranks_module
from groundup.training.loop import train
from groundup.training.objectives.language_model import count_targets, loss_sum, marked_loss_sum
from groundup.training.objectives.preference import (
    FIGURES,
    answer_rows_read,
    count_answer_tokens,
    count_pairs,
    preference_loss_sum,
)
from groundup.training.parallel_settings import ParallelSettings
from groundup.training.ranks import ALONE, Ranks, joined
from groundup.training.settings import PreferenceSettings, TrainingSettings
from groundup.training.task import Task

Batch = Callable[[int], NDArray[np.int64]]
V = 11
PAIRS = random_pairs(6, V)
REFERENCE = torch.randn(6, 2, generator=torch.Generator().manual_seed(0))


def plain_rows(step: int, rows: int = 4) -> NDArray[np.int64]:
    return np.random.default_rng(step).integers(0, V, (rows, 9))


def answers(step: int) -> NDArray[np.int64]:
    """Marked rows of unequal length, of which a process may get one that teaches nothing."""
    rows = plain_rows(step)
    for row, (read, length) in enumerate(((6, 9), (2, 5), (1, 9), (8, 9))):
        rows[row, :read], rows[row, length:] = ~rows[row, :read], ~0
    return rows


def pairs(step: int) -> NDArray[np.int64]:
    return pair_batch(PAIRS, [(3 * step + place) % 6 for place in range(3)])


def preference(network: nn.Module, batch: Tensor) -> Tensor:
    return preference_loss_sum(network, batch, REFERENCE, PreferenceSettings())


MARKED = {"loss_sum": marked_loss_sum, "count_targets": count_targets, "batch": answers}
PREFERENCE = {
    "loss_sum": preference,
    "batch": pairs,
    "count_targets": count_answer_tokens,
    "count_terms": count_pairs,
    "figure_names": FIGURES,
    "rows_read": answer_rows_read,
}
FEW_ROWS: dict[str, Any] = {"batch": partial(plain_rows, rows=3)}
CASES: dict[str, dict[str, Any]] = {
    "muon": {},
    "muon of many shapes": {"preset": "llama", "num_kv_heads": 1},
    "adamw, tied": {"preset": "gpt2", "optimizer": "adamw"},
    "accumulation, clipped": {"preset": "gpt2", "accumulation_steps": 2, "max_grad_norm": 0.05},
    "three rows": {"parts": FEW_ROWS},
    "three rows one by one": {"parts": FEW_ROWS, "batch_size": 3, "accumulation_steps": 3, "optimizer": "adamw"},
    "answers": {"parts": MARKED, "preset": "gpt2"},
    "pairs": {"parts": PREFERENCE, "optimizer": "adamw"},
    "lora": {"parts": MARKED, "lora": True, "optimizer": "adamw"},
    "bf16": {"precision": "bf16"},
    "fp16, three rows one by one": {
        "parts": FEW_ROWS,
        "batch_size": 3,
        "accumulation_steps": 3,
        "precision": "fp16",
    },
    "activations twice": {"activation_checkpointing": True},
    "sharded muon": {"sharded": True},
    "sharded adamw, tied, accumulation": {
        "sharded": True,
        "preset": "gpt2",
        "optimizer": "adamw",
        "accumulation_steps": 2,
    },
    "sharded three rows": {"sharded": True, "parts": FEW_ROWS, "max_grad_norm": 0.05},
    "sharded answers, many logits": {
        "sharded": True,
        "parts": MARKED,
        "vocab_size": 6000,
        "activation_checkpointing": True,
    },
    "sharded pairs": {"sharded": True, "parts": PREFERENCE, "optimizer": "adamw", "preset": "llama"},
    "sharded lora": {"sharded": True, "parts": MARKED, "lora": True, "optimizer": "adamw"},
    "patience": {"patience": 2, "max_steps": 40, "save_steps": 100},
}


def make_task(
    folder: Path,
    ranks: Ranks,
    preset: Preset = "qwen3",
    parts: dict[str, Any] | None = None,
    lora: bool = False,
    dropout: float = 0.0,
    num_kv_heads: int = 2,
    vocab_size: int = V,
    sharded: bool = False,
    **changed: Any,
) -> Task:
    torch.manual_seed(0)
    shape = {"vocab_size": vocab_size, "d_model": 16, "num_layers": 2, "num_heads": 2, "max_seq_len": 16}
    if preset != "gpt2":
        shape["num_kv_heads"] = num_kv_heads
    model = Transformer(preset_config(preset, **shape, initialization="normal", init_std=0.1, dropout=dropout))
    if lora:
        add_lora(model, LoraSettings(rank=2, dropout=0.0), seed=1)
    settings: dict[str, Any] = {
        "max_steps": 6,
        "batch_size": 4,
        "eval_steps": 6,
        "save_steps": 3,
        "logging_steps": 1,
        "warmup_steps": 2,
        "num_threads": 1,
        "sample_tokens": 0,
        "precision": "fp32",
    }
    run = RunDirectory(folder) if ranks.first else FollowedRun(folder)
    if ranks.first:
        folder.mkdir(parents=True)
        run.write_manifest({"checkpoints": {}})
    losses = iter([3.0, 2.0, *[2.5] * 40])
    return Task(
        **{
            "model": model,
            "settings": TrainingSettings(**{**settings, **changed}),
            "run": run,
            "loss_sum": loss_sum,
            "batch": plain_rows,
            "evaluate": lambda: {"loss": next(losses) if ranks.first else math.nan},
            "sample": None,
            "show": lambda: None,
            "save_model": lambda directory: (
                save_model(model, directory) if not lora else directory.mkdir(exist_ok=True)
            ),
            "peak_flops": 1e9,
            "fingerprint": {},
            "ranks": ranks,
            "shard_to": torch.device("cpu") if sharded and ranks.size > 1 else None,
            "save_part": None if lora else partial(save_part, model.config),
            **(parts or {}),
        }
    )


def save_part(config: TransformerConfig, directory: Path, weights: dict[str, Tensor], part: int, parts: int) -> None:
    if part < parts:
        save_model_part(config, directory, weights, part, parts)
    else:
        save_part_index(config, directory)


def outcome_of(task: Task, resume_from: Path | None = None) -> dict[str, Any]:
    """How a training ends in this process, and what its weights are then, if it has them all."""
    saved = None
    try:
        why = train(task, resume_from).stopped_because
        if why == "SIGTERM":
            saved = [path.name for path in list_checkpoints(task.run.path)]
    except TrainingError as error:
        why = str(error).partition(";")[0]
    if task.shard_to is not None:  # they are gathered in the first process only
        return {"why": why, "weights": None}
    return {
        "why": why,
        "saved": saved,
        "weights": sum(float(parameter.detach().double().sum()) for parameter in task.model.parameters()),
    }


def bad_loss(spoilt: bool, at: int, factor: float, network: nn.Module, batch: Tensor, calls: list[int]) -> Tensor:
    """The ordinary loss, but for one call where it is to be spoilt."""
    calls.append(len(calls))
    loss = loss_sum(network, batch)
    return loss * factor if calls[-1] == at and spoilt else loss


def with_bad_loss(folder: Path, ranks: Ranks, at: int, factor: float, everywhere: bool, **changed: Any) -> Task:
    """With one bad loss, in all processes or in the last alone."""
    loss = partial(bad_loss, everywhere or ranks.rank == ranks.size - 1, at, factor, calls=[])
    return make_task(folder, ranks, parts={"loss_sum": loss}, **changed)


def stops_itself(folder: Path, ranks: Ranks) -> Task:
    """The last process gets a signal while it reads its fourth batch; the others know of nothing."""

    def batch(step: int) -> NDArray[np.int64]:
        if step == 3 and ranks.rank == ranks.size - 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return plain_rows(step)

    return make_task(folder, ranks, parts={"batch": batch}, max_steps=1000, eval_steps=1000, save_steps=1000)


SPECIAL: dict[str, Callable[[Path, Ranks], Task]] = {
    "nan": lambda folder, ranks: with_bad_loss(folder, ranks, 4, math.nan, False),
    "spike": lambda folder, ranks: with_bad_loss(
        folder, ranks, 40, 200.0, True, max_steps=42, eval_steps=100, save_steps=100, spike_sigmas=6.0
    ),
    "overflow": lambda folder, ranks: with_bad_loss(folder, ranks, 1, 1e6, False, precision="fp16"),
    "sharded overflow": lambda folder, ranks: with_bad_loss(
        folder, ranks, 1, 1e6, False, precision="fp16", sharded=True
    ),
    "sharded nan": lambda folder, ranks: with_bad_loss(folder, ranks, 4, math.nan, False, sharded=True),
    "signal": stops_itself,
    "two shards": lambda folder, ranks: make_task(folder, ranks, dropout=0.2, num_threads=max(1, 2 // ranks.size)),
}


def make_case(name: str, folder: Path, ranks: Ranks) -> Task:
    return SPECIAL[name](folder, ranks) if name in SPECIAL else make_task(folder, ranks, **CASES[name])


ALL = (*CASES, *SPECIAL)
OF_FOUR = (
    "sharded muon",
    "sharded three rows",
    "sharded lora",
    "muon",
    "accumulation, clipped",
    "three rows",
    "pairs",
    "nan",
    "signal",
)
"""Where a further process may change something; each takes time."""


def run_cases(folder: Path, ranks: Ranks = ALONE) -> dict[str, dict[str, Any]]:
    """Cases in folders of their own; what became of them in this process."""
    names = OF_FOUR if ranks.size == 4 else ALL
    found = {name: outcome_of(make_case(name, folder / name, ranks)) for name in names}
    for name in ("muon", "sharded muon") if ranks.size > 1 else ():  # what one began several go on with
        task = make_task(folder / f"resumed {name}", ranks, sharded=name.startswith("sharded"))
        found[f"resumed {name}"] = resume(task, folder.parent / "alone" / "muon")
    return found


def resume(task: Task, run: Path) -> dict[str, Any]:
    """Go on from another run's first checkpoint."""
    checkpoint = list_checkpoints(run)[0]
    task.model.load_state_dict(load_model(checkpoint).state_dict())
    return outcome_of(task, checkpoint)


def come_in_turn(folder: Path, rank: int) -> list[int]:
    """Who was here before."""
    before = sorted(int(path.suffix[1:]) for path in folder.glob("turn.*"))
    (folder / f"turn.{rank}").touch()
    return before


def refused(function: Callable[[], None]) -> str:
    try:
        function()
    except RunError as error:
        return str(error)
    return ""


def what_machines_differ_in(folder: Path, recipe: Path, ranks: Ranks) -> dict[str, Any]:
    """How many threads each process takes, on machines of unlike cores; what becomes of other devices, and of another copy of the run."""
    settings, same = load_recipe(str(recipe)), SimpleNamespace(sha256="the same")
    data: Any = SimpleNamespace(tokenizer=same, train=same, validation=same, plan=same)
    device = torch.device("meta" if ranks.rank == ranks.size - 1 else "cpu")
    copy = RunDirectory(folder / f"copy {ranks.rank}")
    copy.path.mkdir()
    copy.write_manifest({"seed": ranks.rank})
    return {
        "threads": ranks.threads(0),
        "alike": refused(lambda: require_alike(settings, data, torch.device("cpu"), ranks)),
        "devices": refused(lambda: require_alike(settings, data, device, ranks)),
        "copies": refused(lambda: require_shared(copy, None, ranks)),
    }


def train_in_vain(recipe: Path, run: Path) -> str:
    """A whole training by a recipe whose loss is no number; how it ends in this process."""

    def no_number(network: nn.Module, batch: Tensor) -> Tensor:
        return loss_sum(network, batch) * math.nan

    vars(compose)["loss_sum"] = no_number
    try:
        train_recipe(recipe, {"parallel.strategy": "ddp", "training.device": "cpu"}, run=run, say=lambda text: None)
    except GroundupError as error:
        return f"{type(error).__name__}: {error}"
    return "it ended well"


def process(rank: int, size: int, ports: tuple[int, int], folder: Path, recipe: Path) -> None:
    """One of several processes, as torchrun would have started it."""
    torch.set_num_threads(1)
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size, "MASTER_PORT": ports[0]}
    os.environ.update({"MASTER_ADDR": "127.0.0.1", **{name: str(value) for name, value in place.items()}})
    ranks_module.LAST_WORDS = 0.0  # seconds
    vars(ranks_module)["available_cores"] = lambda: 8 - rank  # as on machines of different makes
    lost = ""
    try:
        with joined(ParallelSettings("ddp"), "cpu") as (ranks, _):
            found: dict[str, Any] = run_cases(folder, ranks)
            found["before"] = ranks.one_before_the_others(partial(come_in_turn, folder, rank))
            found["different"] = refused(lambda: ranks.require_same("the text", str(rank)))
            found |= what_machines_differ_in(folder, recipe, ranks)
            found["with parent"] = [end_with_parent(parent) for parent in (os.getppid(), -1)]
            if size == 4 and rank < 3:
                ranks.wait()  # for one whose process has ended
    except PeerLostError as error:
        lost = str(error)
    found["lost"] = lost
    if size == 2:
        os.environ["MASTER_PORT"] = str(ports[1])
        found["recipe"] = train_in_vain(recipe, folder / "recipe")
    (folder / f"{rank}.json").write_text(json.dumps(found), encoding="utf-8")
