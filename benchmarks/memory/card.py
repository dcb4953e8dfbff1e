"""What steps on a CUDA card allocate, counted on a pretended one (benchmarks/memory/pretended_card.py), beside what a plan says.

    .venv/bin/python -m benchmarks.memory.card [--output benchmarks/results/memory-card.json]

No card is needed, and no time measured: shapes, formats and the order of operations alone decide. The first two were measured on a card,
too (`benchmarks/results/gpu.json` and `gpu-350M.json`, eager).
"""

from __future__ import annotations

import argparse
import statistics
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from benchmarks.bare_task import bare_task
from benchmarks.memory.pretended_card import pretended_card
from benchmarks.result import output_file, show, write

from groundup.model.lora import adapter_parameters, add_lora
from groundup.model.lora_settings import LoraSettings
from groundup.model.settings import Preset, TransformerConfig, preset_config
from groundup.model.transformer import Transformer
from groundup.training.activation_memory import FULL
from groundup.training.memory import training_moments
from groundup.training.memory_kinds import Load, Memory
from groundup.training.memory_parts import Rank
from groundup.training.objectives.language_model import marked_loss_sum
from groundup.training.settings import TrainingSettings
from groundup.training.step import prepare_machinery, take_step

GPT2 = {"num_layers": 12, "num_heads": 12, "d_model": 768, "vocab_size": 50304, "max_seq_len": 1024}
SMALL = {"num_layers": 8, "num_heads": 8, "d_model": 512, "vocab_size": 8192, "max_seq_len": 512}
LARGE = {"num_layers": 16, "num_heads": 16, "d_model": 1024, "vocab_size": 32000, "max_seq_len": 1024}
COLUMNS = {"name": "", "allocated_mb": "allocated, MB", "planned_mb": "planned, MB", "error": "error", "moment": "when"}


@dataclass(frozen=True)
class Case:
    """A network, and how it is trained."""

    preset: Preset
    shape: dict[str, Any]
    rows: int
    settings: dict[str, Any] = field(default_factory=dict)
    """Of the [training] section, other than AdamW and products in bf16."""
    dropout: float = 0.0
    lora: LoraSettings | None = None
    documents: bool = False
    """Whether rows hold several, which see themselves alone."""
    unlike_the_preset: dict[str, Any] = field(default_factory=dict)

    @property
    def config(self) -> TransformerConfig:
        return preset_config(self.preset, dropout=self.dropout, **self.shape, **self.unlike_the_preset)

    @property
    def training(self) -> TrainingSettings:
        fields = {"optimizer": "adamw", "precision": "bf16", **self.settings}
        if self.lora is not None:
            fields |= {"method": "lora", "lora": self.lora}
        return TrainingSettings(batch_size=self.rows, **fields)


TWICE = {"activation_checkpointing": True}
ADAPTERS = LoraSettings(rank=16, dropout=0.0, targets="all-linear")
AS_NANOGPT = {"norm_position": "pre", "tie_embeddings": True, "bias": "none", "activation": "gelu"}
MEDIUM = {**GPT2, "num_layers": 24, "num_heads": 16, "d_model": 1024}
CASES = {
    "124M, as an H200 held 7,424 MB of it": Case("classic", GPT2, 12, unlike_the_preset=AS_NANOGPT),
    "350M, as it held 17,545 MB of it": Case("classic", MEDIUM, 12, unlike_the_preset=AS_NANOGPT),
    "GPT-2's 124M, 12 rows": Case("gpt2", GPT2, 12),
    "its products in TF32": Case("gpt2", GPT2, 12, {"precision": "tf32"}),
    "in fp16": Case("gpt2", GPT2, 12, {"precision": "fp16"}),
    "by Muon": Case("gpt2", GPT2, 12, {"optimizer": "muon"}),
    "in 4 parts": Case("gpt2", GPT2, 12, {"accumulation_steps": 4}),
    "one row": Case("gpt2", GPT2, 1),
    "48 rows, blocks computed twice": Case("gpt2", GPT2, 48, TWICE),
    "adapters": Case("gpt2", GPT2, 8, lora=ADAPTERS),
    "gpt2 of width 512, dropout": Case("gpt2", SMALL, 16, dropout=0.1),
    "documents in its rows": Case("gpt2", SMALL, 16, documents=True),
    "blocks computed twice": Case("gpt2", SMALL, 64, TWICE),
    "classic of width 512, dropout": Case("classic", SMALL, 16, dropout=0.1),
    "classic, blocks computed twice": Case("classic", SMALL, 64, TWICE),
    "llama of width 512, fp32": Case("llama", SMALL, 16, {"precision": "fp32"}),
    "llama, blocks computed twice": Case("llama", SMALL, 64, TWICE),
    "llama of width 1,024, grouped heads, documents": Case("llama", {**LARGE, "num_kv_heads": 4}, 8, documents=True),
    "llama, adapters": Case("llama", LARGE, 8, lora=ADAPTERS),
    "llama, adapters, blocks computed twice": Case("llama", LARGE, 8, TWICE, lora=ADAPTERS),
    "llama, adapters with dropout": Case("llama", LARGE, 8, lora=replace(ADAPTERS, dropout=0.05)),
    "mistral, a window of 256": Case("mistral", {**LARGE, "sliding_window": 256}, 8),
    "qwen3 of width 1,024": Case("qwen3", LARGE, 8),
    "qwen3, adapters beside attention": Case("qwen3", LARGE, 8, lora=LoraSettings(rank=64, dropout=0.0)),
    "qwen3, blocks computed twice, dropout": Case("qwen3", LARGE, 8, TWICE, dropout=0.1),
    "qwen3, 150,000 tokens to choose from": Case("qwen3", {**SMALL, "vocab_size": 150_000}, 32),
}


def allocated_bytes(case: Case, steps: int = 2) -> int:
    """The most that some steps of it have allocated at once on a card."""
    with pretended_card() as allocated:
        with torch.device("meta"):
            model = Transformer(case.config)
            if case.lora is not None:
                add_lora(model, case.lora, seed=0)
        rows = (
            (case.rows, 2, case.config.max_seq_len + 1) if case.documents else (case.rows, case.config.max_seq_len + 1)
        )
        task = bare_task(model.to("cuda"), case.training, lambda step: np.zeros(rows, dtype=np.int64))
        if case.documents:
            task = replace(task, loss_sum=marked_loss_sum)
        machinery = prepare_machinery(task)
        with machinery.shards:
            for step in range(steps):
                take_step(task, machinery, step, 1.0)
        return allocated.most


def planned(case: Case) -> Memory:
    """What a plan says of its steps, at the moment when it is most."""
    adapters = adapter_parameters(case.config, case.lora) if case.lora is not None else None
    load = Load(case.config, case.training, adapters, sample_tokens=0, rows_are_text_alone=not case.documents)
    wide = case.training.precision in ("fp32", "tf32")
    *steps, _, _ = training_moments(load, Rank("cuda", FULL if wide else 2))
    return max(steps, key=lambda moment: moment.total)


def compared(name: str, case: Case) -> dict[str, Any]:
    """A row of the table."""
    allocated, plan = allocated_bytes(case), planned(case)
    return {
        "name": name,
        "allocated_mb": round(allocated / 1e6),
        "planned_mb": round(plan.total / 1e6),
        "error": round(plan.total / allocated - 1, 3),
        "moment": plan.moment,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Plans of a card's memory beside what steps allocate, without a card.")
    parser.add_argument("--output", type=output_file)
    arguments = parser.parse_args()
    rows = [compared(name, case) for name, case in CASES.items()]
    show("steps on a pretended CUDA card, and what a plan says of them", COLUMNS, rows, {})
    median = statistics.median(abs(row["error"]) for row in rows)
    print(f"median error {median:.1%}")
    write(arguments.output, "benchmarks.memory.card", None, {"median_error": median, "rows": rows})


if __name__ == "__main__":
    main()
