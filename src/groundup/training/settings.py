"""Settings of the [training] section."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from groundup.config import read_bytes, require, require_finite
from groundup.model.lora_settings import LoraSettings
from groundup.training.privacy.settings import PrivateTrainingSettings

Optimizer = Literal["adamw", "muon"]
Schedule = Literal["cosine", "trapezoid", "linear", "constant"]
Precision = Literal["auto", "fp32", "tf32", "bf16", "fp16"]
Objective = Literal["language_model", "instruction", "preference"]
Method = Literal["full", "lora"]
MOST_THREADS = 1024  # systems refuse to start many thousands, and not politely


@dataclass(frozen=True)
class PreferenceSettings:
    """Direct preference optimization (Rafailov et al. 2023)."""

    beta: float = 0.1
    """How dearly leaving the model one began with is paid for: a small one lets it go far."""
    label_smoothing: float = 0.0
    """Share of pairs that are taken to be the wrong way round (Mitchell 2023, conservative DPO)."""

    def __post_init__(self) -> None:
        require_finite("training.preference.beta", self.beta, exclusive=True, maximum=1000.0)
        smoothing = self.label_smoothing
        require(
            0 <= smoothing < 0.5, "training.preference.label_smoothing", smoothing, "use a share from 0 to below 0.5"
        )


@dataclass(frozen=True)
class TrainingSettings:
    """How the weights are found."""

    objective: Objective = "language_model"
    """What is learned: language_model, each next token of a text; instruction, an assistant's answers; preference, to write rather the
    chosen answer of two than the rejected one."""
    method: Method = "full"
    """full: all weights change; lora: they stay, and small matrices beside them are learned (needs model.base)."""
    max_steps: int = 1000
    """Optimizer steps to take."""
    epochs: float = 0.0
    """How often to read all rows, instead of max_steps; 0: max_steps decides."""
    batch_size: int = 8
    """Sequences in one optimizer step, over all accumulation steps."""
    length_warmup_fraction: float = 0.0
    """For this share of max_steps, at first, each sequence is read in four quarters (thirds or halves if only they come out even)."""
    accumulation_steps: int = 1
    """Split each batch into this many parts, one after the other, to save memory; the result is the same to rounding."""
    memory_budget: str = ""
    """The most memory that training may take, e.g. "8GB": accumulation_steps is raised until it fits by estimate; empty for no bound."""
    optimizer: Optimizer = "muon"
    """muon: orthogonalized momentum for the blocks' matrices, AdamW for the rest; adamw: AdamW for all."""
    learning_rate: float = 0.003
    """AdamW's peak learning rate."""
    matrix_learning_rate: float = 0.02
    """Muon's peak learning rate (with optimizer = "muon")."""
    schedule: Schedule = "trapezoid"
    """Learning rate over the steps: cosine, trapezoid (flat, then down in a line), linear (down from the peak), or constant."""
    warmup_steps: int = 20
    """Steps over which the learning rate first rises from 0."""
    decay_fraction: float = 0.6
    """Share of max_steps in which a trapezoid goes down."""
    final_learning_rate_fraction: float = 0.0
    """Share of the peak that the learning rate goes down to; it would be reached at step max_steps."""
    weight_decay: float = 0.1
    """Decoupled weight decay, on matrices only: embeddings, biases and norms have none."""
    beta1: float = 0.9
    """AdamW's decay of the gradient's average."""
    beta2: float = 0.95
    """AdamW's decay of the squared gradient's average."""
    momentum: float = 0.95
    """Muon's momentum."""
    max_grad_norm: float = 1.0
    """Scale the gradient down to this norm when it is larger; 0 for never."""
    spike_sigmas: float = 0.0
    """Skip a lone step whose loss or gradient norm stands this many standard deviations above the last 128 steps' mean; 0 for never."""
    eval_steps: int = 100
    """Measure the validation loss every so many steps, and at the end."""
    save_steps: int = 200
    """Write a checkpoint every so many steps, at the end, and whenever the validation loss is the best so far."""
    keep_checkpoints: int = 2
    """How many of the newest checkpoints stay on disk, besides the best."""
    logging_steps: int = 10
    """Write a line to metrics.jsonl every so many steps."""
    patience: int = 0
    """Stop early after this many evaluations in a row without a new best; 0 for never."""
    seed: int = 1
    """Weights, order and dropout follow from it."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to compute; auto takes a GPU if there is one."""
    precision: Precision = "auto"
    """Number format of the matrix products; auto is bf16 where the device has units for it, else fp32. Weights stay fp32, and tf32 is fp32
    whose products NVIDIA's cards, from Ampere on, round to 10 bits of mantissa."""
    num_threads: int = 0
    """CPU threads; 0 for one per core. A resumed run keeps its number."""
    compile: bool = False
    """Compile the network with torch.compile."""
    activation_checkpointing: bool = False
    """Compute activations a second time in the backward pass instead of keeping them."""
    tensorboard: bool = False
    """Write TensorBoard event files into the run's tensorboard/ folder, too (needs the extra `tensorboard`)."""
    sample_prompt: str = ""
    """What the samples at each evaluation continue; empty starts from the end-of-text token."""
    sample_tokens: int = 200
    """Length of those samples in tokens; 0 for none."""
    lora: LoraSettings = field(default_factory=LoraSettings)
    """With method = "lora": the small matrices."""
    preference: PreferenceSettings = field(default_factory=PreferenceSettings)
    """With objective = "preference": its loss."""
    privacy: PrivateTrainingSettings = field(default_factory=PrivateTrainingSettings)
    """Bounds what is learned of any single document."""

    def __post_init__(self) -> None:
        at_least_one = (
            "max_steps",
            "batch_size",
            "accumulation_steps",
            "eval_steps",
            "save_steps",
            "keep_checkpoints",
            "logging_steps",
        )
        for name in at_least_one:
            require(
                getattr(self, name) >= 1, f"training.{name}", getattr(self, name), "use a whole number of at least 1"
            )
        require(
            self.num_threads <= MOST_THREADS,
            "training.num_threads",
            self.num_threads,
            f"use a whole number of at most {MOST_THREADS}, or 0 for one per core",
        )
        for name in ("warmup_steps", "patience", "num_threads", "sample_tokens"):
            require(
                getattr(self, name) >= 0, f"training.{name}", getattr(self, name), "use a whole number of at least 0"
            )
        for name in ("weight_decay", "max_grad_norm", "spike_sigmas", "epochs"):
            require_finite(f"training.{name}", getattr(self, name))
        for name in ("learning_rate", "matrix_learning_rate"):
            value = getattr(self, name)
            require_finite(f"training.{name}", value, exclusive=True, maximum=1e6)
            advice = (
                f"with {name} = {value:g} a step would take away more than the whole weight; use at most {1 / value:g}"
            )
            require(self.weight_decay * value <= 1, "training.weight_decay", self.weight_decay, advice)
        for name in ("beta1", "beta2", "momentum"):
            value = getattr(self, name)
            require(0 <= value < 1, f"training.{name}", value, "use a number from 0 up to, not including, 1")
        for name in ("length_warmup_fraction", "decay_fraction", "final_learning_rate_fraction"):
            value = getattr(self, name)
            require(0 <= value <= 1, f"training.{name}", value, "use a share from 0 to 1")
        require(0 <= self.seed < 2**31, "training.seed", self.seed, "use a whole number from 0 to 2^31 - 1")
        require(
            self.batch_size % self.accumulation_steps == 0,
            "training.accumulation_steps",
            self.accumulation_steps,
            f"it must divide batch_size = {self.batch_size}",
        )
        require(
            self.method == "full" or self.optimizer == "adamw",
            "training.optimizer",
            self.optimizer,
            'use "adamw" with training.method = "lora", whose matrices are too narrow to be orthogonalized',
        )
        if self.memory_budget:
            read_bytes("training.memory_budget", self.memory_budget)
        if self.privacy.on:
            self._check_private()

    @property
    def steps_alike(self) -> bool:
        """Whether nothing in a step is decided by the host or comes several times: then it may be recorded (training/recorded_step.py).
        A loss scale is decided so, and so are a later part's seed, what is drawn again for activations that are computed twice, and private
        training's noise."""
        parts = self.accumulation_steps > 1 or self.activation_checkpointing
        return not parts and not self.privacy.on and self.precision != "fp16"

    def _check_private(self) -> None:
        """Raise `SettingError` for what would mix the gradients of rows, or do by them what no noise hides."""
        for name, usual, why in (
            (
                "activation_checkpointing",
                False,
                "layers are read a second time then, and a row's gradient is not known",
            ),
            ("compile", False, "a compiled network doesn't tell of its rows' gradients"),
            ("length_warmup_fraction", 0.0, "it makes several rows of one, each of which would be clipped by itself"),
            ("spike_sigmas", 0.0, "which steps are left out would tell of single documents, and no noise hides it"),
        ):
            advice = f"use {str(usual).lower()} with training.privacy: {why}"
            require(getattr(self, name) == usual, f"training.{name}", getattr(self, name), advice)
        advice = "leave it out with training.privacy: rows are drawn at random then, now more of them and now fewer"
        require(self.memory_budget == "", "training.memory_budget", self.memory_budget, advice)
        advice = (
            "use fp32 or bf16 with training.privacy: a loss scale leaves out steps by what single documents do to them"
        )
        require(self.precision != "fp16", "training.precision", self.precision, advice)
        advice = (
            "use language_model or instruction with training.privacy: the rows of a pair are not clipped together yet"
        )
        require(self.objective != "preference", "training.objective", self.objective, advice)


def parts_of_batch(training: TrainingSettings, processes: int = 1) -> list[int]:
    """The numbers of parts that a batch can go in, from `accumulation_steps` on: those that divide it and leave a row for each process."""
    rows, low = training.batch_size, range(1, math.isqrt(training.batch_size) + 1)
    divisors = {divisor for number in low if rows % number == 0 for divisor in (number, rows // number)}
    return sorted(parts for parts in divisors if training.accumulation_steps <= parts <= rows // processes)


def unevenness(training: TrainingSettings, processes: int) -> float:
    """How many times as long a step takes as if a part's rows came out even over the processes: all wait for one with most of them."""
    rows = training.batch_size // training.accumulation_steps
    return math.ceil(rows / processes) * processes / rows
