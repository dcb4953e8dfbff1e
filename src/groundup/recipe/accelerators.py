"""Accelerators as their makers describe them, and which share of that a training reaches. Imports no torch."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from groundup.errors import SettingError
from groundup.text.settings import DataSettings
from groundup.training.activation_memory import FULL
from groundup.training.settings import TrainingSettings

COMPILED, EAGER = 0.40, 0.32
"""Which share of the datasheet's matrix products a training's own make up (MFU, Chowdhery et al. 2022, PaLM, appendix B), with
`training.compile` and without. Steps of 124M and 350M parameters reached 37 to 42 % and 29 to 36 % on one H100 (docs/gpu.md); PaLM 46 % on
6,144 TPUs (its table 3), Llama 3 405B 38 to 43 % on 8,192 to 16,384 H100 (Dubey et al. 2024, table 4)."""
LAYER_SECONDS = 3e-3
"""What a layer of a step takes at the least, forward and back, that is neither compiled nor recorded, however small it is: the card waits
for the host, which asks for one kernel after the other. Small networks took 4 ms a layer on an H100, those of 124M parameters 3."""
RECORDED_LAYER_SECONDS = 0.6e-3
"""The same of a step that is recorded (training/recorded_step.py). Three layers took 1.6 ms on an H200, with all else (docs/gpu.md)."""


@dataclass(frozen=True)
class Accelerator:
    """One card."""

    name: str
    flops: float
    """Dense operations a second of matrix products in bf16, or, on a T4, which has no units for it, fp16; sums in fp32."""
    full_flops: float
    """The same in fp32, without TF32."""
    tf32_flops: float | None
    """The same in TF32; None where a card has no units for it, or PyTorch takes them by a switch of their own (AMD's)."""
    memory: float
    """Bytes, of the datasheet's GB as 10^9; of NVIDIA's, which are nearer to 2^30, the driver shows some 6 % more."""
    bandwidth: float
    """Bytes a second to and from that memory."""
    watts: float
    """The most that the card as such may draw."""
    source: str
    """Where these are written."""
    bf16: bool = True
    """Whether it has units for bf16."""


_ALL = (
    Accelerator(
        "h100",
        989e12,
        67e12,
        494.7e12,
        80e9,
        3.35e12,
        700,
        "NVIDIA H100 datasheet, SXM5; half of the figure with sparsity",
    ),
    Accelerator(
        "h200",
        989e12,
        67e12,
        494.7e12,
        141e9,
        4.8e12,
        700,
        "NVIDIA H200 datasheet, SXM5; half of the figure with sparsity; TF32 as the H100's, whose chip it is",
    ),
    Accelerator("a100-40gb", 312e12, 19.5e12, 156e12, 40e9, 1.555e12, 400, "NVIDIA A100 datasheet, SXM4 40 GB"),
    Accelerator("a100-80gb", 312e12, 19.5e12, 156e12, 80e9, 2.039e12, 400, "NVIDIA A100 datasheet, SXM4 80 GB"),
    Accelerator("l4", 121e12, 30.3e12, 60e12, 24e9, 300e9, 72, "NVIDIA L4 datasheet; half of the figure with sparsity"),
    Accelerator("rtx-4090", 165.2e12, 82.6e12, 82.6e12, 24e9, 1.008e12, 450, "NVIDIA Ada GPU architecture, appendix A"),
    Accelerator(
        "rtx-3090",
        71e12,
        35.6e12,
        35.6e12,
        24e9,
        936e9,
        350,
        "NVIDIA Ampere GA102 GPU architecture, table 9; its TF32 not looked up again",
    ),
    Accelerator("t4", 65e12, 8.1e12, None, 16e9, 320e9, 70, "NVIDIA T4 datasheet; fp16", bf16=False),
    Accelerator("mi300x", 1307.4e12, 163.4e12, None, 192e9, 5.3e12, 750, "AMD Instinct MI300X datasheet"),
)
ACCELERATORS = {each.name: each for each in _ALL}


def precision_there(card: Accelerator, training: TrainingSettings) -> str:
    """The number format of the matrix products on a card: what `device.precision_on` says where it is. Raises `SettingError` for a format
    that it has no units for."""
    if training.precision == "auto":
        return "bf16" if card.bf16 else "fp32"
    if training.precision == "tf32" and card.tf32_flops is None:
        advice = f"{card.name} has no units for it that PyTorch takes; use auto or fp32"
        raise SettingError("training.precision", training.precision, advice)
    if training.precision == "bf16" and not card.bf16:
        advice = f"{card.name} has no units for it, and how fast it is without is not known; use auto, which is fp32 there, or fp16"
        raise SettingError("training.precision", training.precision, advice)
    return training.precision


def reached_flops(card: Accelerator, training: TrainingSettings) -> float:
    """Operations a second that the matrix products of such a training are taken to reach on one card. Raises `SettingError` as
    `precision_there` does."""
    peaks = {"fp32": card.full_flops, "tf32": card.tf32_flops or 0.0}
    peak = peaks.get(precision_there(card, training), card.flops)
    return peak * (COMPILED if training.compile else EAGER)


def layer_seconds(training: TrainingSettings, data: DataSettings, count: int) -> float:
    """What a layer takes at the least on so many cards; 0 of what is compiled."""
    if training.compile:
        return 0.0
    plain = training.objective == "language_model" and data.rows_are_text_alone
    return RECORDED_LAYER_SECONDS if plain and training.steps_alike and count == 1 else LAYER_SECONDS


def product_bytes(card: Accelerator, training: TrainingSettings) -> int:
    """Bytes of a number in the matrix products on a card."""
    return FULL if precision_there(card, training) in ("fp32", "tf32") else 2


def find_accelerator(name: str) -> Accelerator:
    """The one of that name, large letters or small. Raises `SettingError` with the nearest names."""
    wanted = name.strip().lower().replace("_", "-").replace(" ", "-")
    if wanted in ACCELERATORS:
        return ACCELERATORS[wanted]
    near = [each for each in ACCELERATORS if wanted and wanted in each]
    near = near or difflib.get_close_matches(wanted, ACCELERATORS, n=2, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise SettingError("--on", name, f"{hint}known are {', '.join(ACCELERATORS)}")
