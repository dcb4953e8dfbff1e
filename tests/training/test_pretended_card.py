"""A CUDA card's steps, taken on meta tensors that say they were on one: what they allocate, and which formats they compute in."""

from __future__ import annotations

import gc
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from benchmarks.bare_task import bare_task
from benchmarks.memory.card import CASES, Case, allocated_bytes, planned
from benchmarks.memory.pretended_card import CARD, pretended_card
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from groundup.device import pick_device, precision_on, to_device
from groundup.model.lora import adapter_parameters, add_lora
from groundup.model.lora_settings import LoraSettings
from groundup.model.settings import preset_config
from groundup.model.transformer import Transformer
from groundup.training.activation_memory import block_activation_bytes
from groundup.training.memory import training_moments
from groundup.training.memory_kinds import Load
from groundup.training.memory_parts import Rank
from groundup.training.objectives.preference import FIGURES, answer_rows_read, preference_loss_sum
from groundup.training.settings import TrainingSettings
from groundup.training.step import prepare_machinery, take_step

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
PRODUCTS = {torch.ops.aten.mm, torch.ops.aten.addmm, torch.ops.aten.bmm}


class Products(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Hears of the formats of all matrix products."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.formats: set[torch.dtype] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        if func.overloadpacket in PRODUCTS:
            self.formats |= {each.dtype for each in args if isinstance(each, Tensor) and each.ndim > 1}
        return func(*args, **(kwargs or {}))


def few_layers(case: Case, layers: int = 3) -> Case:
    return replace(case, shape={**case.shape, "num_layers": layers})


@pytest.mark.parametrize(("name", "file"), [("124M, as an H200", "gpu.json"), ("350M, as it", "gpu-350M.json")])
def test_what_is_counted_is_what_was_measured_on_a_card(name: str, file: str) -> None:
    """In full, as PyTorch's allocator told it there; the rest is what it doesn't hand back."""
    case = next(case for each, case in CASES.items() if each.startswith(name))
    measured = json.loads((RESULTS / file).read_text())["tables"][0]
    shape, config = measured["shape"], case.config
    assert (config.num_layers, config.d_model, config.vocab_size, config.max_seq_len, case.rows) == (
        *(shape[key] for key in ("num_layers", "d_model", "vocab_size", "context")),
        measured["batch_size"],
    )
    held = next(row["peak_memory_mb"] for row in measured["rows"] if row["name"] == "Groundup, eager")
    assert f"{held:,} MB" in next(each for each in CASES if each.startswith(name))
    assert allocated_bytes(case, steps=1) / 1e6 == pytest.approx(held, rel=0.015)


@pytest.mark.parametrize("name", CASES)
def test_a_plan_says_what_a_card_allocates(name: str) -> None:
    case = few_layers(CASES[name])
    assert planned(case).total == pytest.approx(allocated_bytes(case), rel=0.07)


@pytest.mark.parametrize(("vocab_size", "pairs"), [(8192, 2), (50_304, 4)])
@pytest.mark.parametrize("adapted", [False, True])
def test_a_plan_says_what_comparing_pairs_allocates(vocab_size: int, pairs: int, adapted: bool) -> None:
    """Whose logits come in parts of their own, and are computed twice."""
    shape = {"vocab_size": vocab_size, "d_model": 512, "num_layers": 2, "num_heads": 8, "max_seq_len": 512}
    lora = LoraSettings(rank=16, dropout=0.0)
    settings = TrainingSettings(
        batch_size=pairs, optimizer="adamw", objective="preference", method="lora" if adapted else "full", lora=lora
    )
    with pretended_card() as allocated:
        with torch.device("meta"):
            model = Transformer(preset_config("llama", dropout=0.0, **shape))
            if adapted:
                add_lora(model, lora, seed=0)
        reference = torch.zeros(8, 2, device="meta")
        task = replace(
            bare_task(model.to("cuda"), settings, lambda step: np.zeros((pairs, 2, 302), dtype=np.int64)),
            loss_sum=lambda network, rows: preference_loss_sum(network, rows, reference, settings.preference),
            count_terms=len,
            figure_names=FIGURES,
            rows_read=answer_rows_read,
        )
        machinery = prepare_machinery(task)
        with machinery.shards:
            for step in range(2):
                take_step(task, machinery, step, 1.0)
    adapters = adapter_parameters(model.config, lora) if adapted else None
    load = Load(model.config, replace(settings, batch_size=2 * pairs), adapters, row_length=300, sample_tokens=0)
    *steps, _, _ = training_moments(load, Rank("cuda", 2))
    assert max(moment.total for moment in steps) == pytest.approx(allocated.most, rel=0.03)


@pytest.mark.parametrize("kind", ["documents", "mistral", "plain"])
def test_a_layer_more_allocates_its_activations_alone(kind: str) -> None:
    """A mask of documents or of a window is there once, in the products' format, and not in each layer."""
    case = replace(CASES["llama of width 1,024, grouped heads, documents"], documents=kind == "documents")
    if kind == "mistral":
        case = replace(case, preset="mistral", shape={**case.shape, "sliding_window": 256})
    three, two = (allocated_bytes(few_layers(case, layers), steps=1) for layers in (3, 2))
    tokens, config = case.rows * case.config.max_seq_len, case.config
    kept = tokens * block_activation_bytes(config, config.max_seq_len, 2, device="cuda")
    weights = sum(parameter.numel() for parameter in Transformer(few_layers(case, 1).config).blocks.parameters())
    # Its weights, both of AdamW's moments, and the copies that products read.
    assert three - two == pytest.approx(kept + (3 * 4 + 2) * weights, rel=0.001)


@pytest.mark.parametrize(
    ("optimizer", "precision", "products"),
    [
        ("adamw", "auto", {torch.bfloat16}),
        ("adamw", "bf16", {torch.bfloat16}),
        ("adamw", "fp16", {torch.float16}),
        ("adamw", "tf32", {torch.float32}),
        ("muon", "bf16", {torch.bfloat16}),
        ("muon", "fp16", {torch.float16, torch.float32}),  # its own products would overflow in fp16
    ],
)
def test_every_product_of_a_step_is_in_the_format_that_was_asked_for(
    optimizer: str, precision: str, products: set[torch.dtype]
) -> None:
    """One in fp32 among others in bf16 would be right, and eight times as slow."""
    case = few_layers(CASES["qwen3 of width 1,024"], 2)
    settings = TrainingSettings(batch_size=4, optimizer=optimizer, precision=precision)  # type: ignore[arg-type]
    heard = Products()
    with pretended_card(), heard:
        with torch.device("meta"):
            model = Transformer(case.config)
        task = bare_task(model.to("cuda"), settings, lambda step: np.zeros((4, 257), dtype=np.int64))
        machinery = prepare_machinery(task)
        with machinery.shards:
            taken = [take_step(task, machinery, step, 1.0) for step in range(2)]
        assert heard.formats == products
        gradients = [learner.grad for learner in machinery.learners]
        # Of matrices that have narrow copies as they come from the products, of the rest as they are.
        narrow = {torch.bfloat16} if machinery.optimizer.matrices.names else set()
        assert {gradient.dtype for gradient in gradients if gradient is not None} == {torch.float32} | narrow
        assert (narrow == {torch.bfloat16}) == (optimizer == "adamw" and precision in ("auto", "bf16"))
        assert machinery.places is not None
        assert {tensor.device for tensor in (*machinery.places, taken[-1].loss, taken[-1].grad_norm)} == {CARD}


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_what_stays_after_a_step_and_after_the_last_is_what_a_plan_says(optimizer: str) -> None:
    """Weights, with copies in the products' format where AdamW has them, gradients, which are then in that format, and moments. Kind by
    kind, for copies take what their gradients save."""
    case = few_layers(CASES["qwen3 of width 1,024"], 2)
    settings = TrainingSettings(batch_size=4, optimizer=optimizer, precision="bf16")  # type: ignore[arg-type]
    with pretended_card() as allocated:
        with torch.device("meta"):
            model = Transformer(case.config)
        task = bare_task(model.to("cuda"), settings, lambda step: np.zeros((4, 257), dtype=np.int64))
        machinery = prepare_machinery(task)
        with machinery.shards:
            take_step(task, machinery, 0, 1.0)
        stays = allocated.now
        gradients = sum(learner.grad.nbytes for learner in machinery.learners if learner.grad is not None)
        copies = sum(copied.nbytes for copied in machinery.optimizer.matrices.copies if copied is not None)
        del machinery, task
        gc.collect()
        left = allocated.now  # the network, and what gradients came to it
    weights = sum(parameter.nbytes for parameter in model.parameters())
    load = Load(case.config, settings, row_length=256, sample_tokens=0)
    *_, update, _, end = training_moments(load, Rank("cuda", 2))
    assert (update.weights, update.gradients) == pytest.approx((weights + copies, gradients), rel=0.001)
    assert stays == pytest.approx(update.total - update.update, rel=0.005)
    assert (copies > 0) == (optimizer == "adamw")
    assert end.weights + end.gradients == pytest.approx(left, rel=0.005)


def test_it_is_a_card_to_those_who_ask() -> None:
    with pretended_card():
        assert pick_device("auto") == torch.device("cuda")
        assert precision_on(CARD, "auto") == "bf16"
        there = to_device(np.zeros((2, 3)), CARD)
        assert (there.device, there.is_cuda) == (CARD, True)
        with pytest.raises(RuntimeError, match="meta tensors"):
            there.sum().item()
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_what_is_let_go_of_is_no_longer_counted() -> None:
    with pretended_card() as allocated:
        one = torch.empty(1000, device="cuda")  # 4,000 bytes: eight blocks of 512
        assert (allocated.now, allocated.most) == (4096, 4096)
        other = one.view(10, 100).t()
        assert allocated.now == 4096
        del one
        assert allocated.now == 4096
        del other
        two = torch.empty(10, device="cuda")
        assert (allocated.now, allocated.most) == (512, 4096)
        del two
