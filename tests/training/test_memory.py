"""What a training's memory is estimated from, held to what autograd keeps and to what the optimizer and the cache hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import get_args

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.profiler import ProfilerActivity, profile

from groundup.language_model import sliced_scores
from groundup.language_model.token_losses import TOKENS_AT_ONCE
from groundup.model.attention_with_dropout import QUERIES_AT_ONCE
from groundup.model.counts import parameter_counts
from groundup.model.dropout import Dropout
from groundup.model.lora import add_lora
from groundup.model.lora_settings import LoraSettings
from groundup.model.settings import Preset, TransformerConfig, preset_config
from groundup.model.transformer import KVCache, Transformer
from groundup.training import activation_memory, memory, memory_parts
from groundup.training.activation_memory import (
    block_activation_bytes,
    inference_activation_bytes,
    training_activation_bytes,
)
from groundup.training.adamw import AdamWGroup
from groundup.training.memory import HELD_IN_READING, training_memory, training_moments
from groundup.training.memory_kinds import Load, Memory
from groundup.training.memory_parts import Rank, cache_bytes, logits_bytes, update_bytes, validation_logits_bytes
from groundup.training.objectives import token_loss_on_a_gpu
from groundup.training.objectives.language_model import FEW_LOGITS
from groundup.training.objectives.token_loss import LOGITS_AT_ONCE
from groundup.training.objectives.token_loss_on_a_gpu import LOGARITHMS, LOGITS_ON_A_GPU, Wanted, on_a_gpu
from groundup.training.optimizers import Optimizer
from groundup.training.parallel_settings import Strategy
from groundup.training.settings import TrainingSettings
from groundup.training.step import LARGE_NETWORK

ROWS, LENGTH = 3, 96
LOSS, UPDATE = "the loss, before the way back", "the update"
VALIDATION, END = "validation", "the end, when all that is held out is read"
SIZES = {"vocab_size": 50, "d_model": 32, "num_heads": 4, "max_seq_len": LENGTH}


def moments(load: Load, rank: Rank) -> dict[str, Memory]:
    """By their names."""
    return {moment.moment: moment for moment in training_moments(load, rank)}


def kept_bytes(
    config: TransformerConfig,
    dtype: torch.dtype | None,
    lora: LoraSettings | None = None,
    plain: bool = False,
    documents: bool = False,
) -> int:
    """What autograd keeps for the way back: each storage once, weights and their copies aside. `plain`: as where PyTorch has no fused
    attention, and dropout draws from its own generator. `documents`: three in each row, which see themselves alone."""
    model = Transformer(config)
    if lora is not None:
        add_lora(model, lora, seed=1)
    model.train()
    for module in model.modules():
        if isinstance(module, Dropout) and not plain:
            module.generator = torch.Generator()
    weights = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        of_tokens = tensor.shape[:1] in ((ROWS,), (ROWS * LENGTH,), (ROWS * config.num_heads,))
        if storage.data_ptr() not in weights and of_tokens:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    ids = torch.zeros(ROWS, LENGTH, dtype=torch.long)
    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        torch.autocast("cpu", dtype) if dtype else nullcontext(),
        sdpa_kernel(SDPBackend.MATH) if plain else nullcontext(),
    ):
        hidden = model(ids, segment_ids=torch.arange(LENGTH) // 32 + ids if documents else None, project=False)
    del hidden
    return sum(kept.values())


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize(
    ("preset", "heads"), [("classic", 0), ("gpt2", 0), ("llama", 0), ("llama", 2), ("qwen3", 0), ("qwen3", 2)]
)
def test_a_blocks_activations_are_those_that_autograd_keeps(
    preset: Preset, heads: int, dropout: float, dtype: torch.dtype | None
) -> None:
    config = preset_config(preset, num_layers=1, num_kv_heads=heads, dropout=dropout, **SIZES)
    of_one_block = kept_bytes(replace(config, num_layers=2), dtype) - kept_bytes(config, dtype)
    estimated = block_activation_bytes(config, LENGTH, 2 if dtype else 4)
    assert estimated * ROWS * LENGTH == of_one_block


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
@pytest.mark.parametrize("preset", ["gpt2", "qwen3", "mistral"])
def test_what_documents_see_of_one_another_is_kept_once_not_in_each_block(
    preset: Preset, dtype: torch.dtype | None
) -> None:
    window = {"sliding_window": 24} if preset == "mistral" else {}
    config = preset_config(preset, num_layers=1, dropout=0.0, **SIZES, **window)
    two, one = (kept_bytes(replace(config, num_layers=layers), dtype, documents=True) for layers in (2, 1))
    assert two - one == block_activation_bytes(config, LENGTH, 2 if dtype else 4) * ROWS * LENGTH


@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize(
    ("preset", "heads"), [("classic", 0), ("gpt2", 0), ("llama", 0), ("llama", 2), ("qwen3", 0), ("qwen3", 2)]
)
def test_without_a_fused_attention_the_probabilities_of_all_keys_are_kept(
    preset: Preset, heads: int, dropout: float
) -> None:
    config = preset_config(preset, num_layers=1, num_kv_heads=heads, dropout=dropout, **SIZES)
    of_one_block = kept_bytes(replace(config, num_layers=2), None, plain=True) - kept_bytes(config, None, plain=True)
    assert block_activation_bytes(config, LENGTH, device="mps") * ROWS * LENGTH == of_one_block


@pytest.mark.parametrize("preset", ["llama", "qwen3"])
@pytest.mark.parametrize("targets", ["attention", "all-linear"])
def test_adapters_need_less_of_it(targets: str, preset: Preset) -> None:
    config = preset_config(preset, num_layers=1, **SIZES)
    lora = LoraSettings(rank=1, targets=targets, dropout=0.0)
    of_one_block = kept_bytes(replace(config, num_layers=2), torch.bfloat16, lora)
    of_one_block -= kept_bytes(config, torch.bfloat16, lora)
    estimated = block_activation_bytes(config, LENGTH, 2, lora=lora) * ROWS * LENGTH
    assert estimated == pytest.approx(of_one_block, rel=0.02)  # a rank of 1 is not nothing
    assert estimated < block_activation_bytes(config, LENGTH, 2) * ROWS * LENGTH


def test_all_of_a_network_with_its_ends() -> None:
    config = preset_config("qwen3", num_layers=3, **SIZES)
    estimated = training_activation_bytes(config, ROWS * LENGTH, LENGTH)
    assert estimated == pytest.approx(kept_bytes(config, None), rel=0.03)
    inputs_alone = training_activation_bytes(config, ROWS * LENGTH, LENGTH, input_bytes=4)
    blocks = block_activation_bytes(config, LENGTH) - 4 * config.d_model
    assert estimated - inputs_alone == pytest.approx(config.num_layers * blocks * ROWS * LENGTH)


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_weights_and_moments_are_the_optimizers_own(optimizer: str) -> None:
    config = preset_config("qwen3", num_layers=2, **SIZES)
    settings = TrainingSettings(batch_size=4, optimizer=optimizer)  # type: ignore[arg-type]
    found = training_memory(Load(config, settings), Rank())
    model = Transformer(config)
    state = Optimizer(model, settings).state_tensors()
    assert found.optimizer == sum(t.nbytes for name, t in state.items() if not name.endswith(".step"))
    assert moments(Load(config, settings), Rank())[UPDATE].weights == sum(p.nbytes for p in model.parameters())


def test_the_limits_are_those_of_the_code_that_they_are_copied_from() -> None:
    assert memory.LARGEST_KEPT == LARGE_NETWORK
    assert memory_parts.FEW_LOGITS == FEW_LOGITS
    assert memory_parts.LOGITS_AT_ONCE == {"cpu": LOGITS_AT_ONCE, "cuda": LOGITS_ON_A_GPU, "mps": LOGITS_ON_A_GPU}
    assert memory_parts.LOGARITHMS == LOGARITHMS
    on_a_gpu = sliced_scores.LOGITS_ON_A_GPU
    assert {"cpu": sliced_scores.LOGITS_AT_ONCE, "cuda": on_a_gpu, "mps": on_a_gpu} == memory_parts.VALIDATION_LOGITS
    assert memory.VALIDATION_TOKENS == TOKENS_AT_ONCE
    assert activation_memory.QUERIES_AT_ONCE == QUERIES_AT_ONCE


@pytest.mark.parametrize(("shards", "readers", "arenas"), [(1, 1, 1.0), (2, 2, 1.5), (1, 2, 1.0), (4, 4, 1.75)])
def test_where_freed_memory_is_kept_reading_comes_beside_what_steps_held(
    shards: int, readers: int, arenas: float
) -> None:
    """Readers are threads of their own, each with an arena; of steps' threads all but the caller's take over arenas of earlier readers."""
    config = preset_config("qwen3", num_layers=4, **{**SIZES, "max_seq_len": 512})
    load = Load(config, TrainingSettings(batch_size=8), evaluation_rows=8, sample_tokens=0)
    rank = Rank(num_shards=shards, num_readers=readers, keeps_freed=True)
    *steps, validation, end = training_moments(load, rank)
    most = max(moment.total for moment in steps)
    one_reader = inference_activation_bytes(config, 8 * 512) + validation_logits_bytes(config, 8 * 512)
    assert validation.total - most == pytest.approx(HELD_IN_READING * readers * arenas * one_reader, rel=1e-4)
    assert end.total == validation.total  # as many tokens for each reader
    few = moments(replace(load, held_out=100), rank)[END]
    assert most < few.total < end.total
    handed_back = moments(load, replace(rank, keeps_freed=False))[VALIDATION]
    assert handed_back.total == pytest.approx(
        readers * one_reader + sum(getattr(handed_back, kind) for kind in ("weights", "gradients", "optimizer"))
    )


def test_the_cache() -> None:
    config = preset_config("llama", num_layers=2, num_kv_heads=2, **SIZES)
    cache = KVCache(config, 3, 20, "cpu")
    assert cache_bytes(config, 3, 20) == cache.keys.nbytes + cache.values.nbytes


def test_a_graphics_cards_memory_is_that_which_was_measured() -> None:
    results = Path(__file__).parents[2] / "benchmarks" / "results"
    measured = [
        table for name in ("gpu.json", "gpu-350M.json") for table in json.loads((results / name).read_text())["tables"]
    ]
    assert len(measured) == 3
    for one in measured:
        shape = {name: one["shape"][name] for name in ("num_layers", "num_heads", "d_model", "vocab_size")}
        network = preset_config(
            "classic",
            max_seq_len=one["shape"]["context"],
            norm_position="pre",
            tie_embeddings=True,
            bias="none",
            activation="gelu",
            dropout=0.0,
            **shape,
        )
        for row in one["rows"]:
            if row["name"].startswith("Groundup, "):
                compiled = row["name"].endswith("compiled")
                settings = TrainingSettings(batch_size=one["batch_size"], optimizer="adamw", compile=compiled)
                of_steps = training_moments(Load(network, settings, sample_tokens=0), Rank("cuda", 2))[:-2]
                estimated = max(moment.total for moment in of_steps) / 1e6
                assert estimated == pytest.approx(row["peak_memory_mb"], rel=0.05)


def test_what_a_recorded_step_holds_stays_at_validation() -> None:
    load = Load(preset_config("qwen3", num_layers=2, **SIZES), TrainingSettings(batch_size=8))
    recorded, ordinary = (
        training_moments(replace(load, settings=replace(load.settings, precision=precision)), Rank("cuda", 2))
        for precision in ("bf16", "fp16")
    )
    most, (reading, end) = max(recorded[:-2], key=lambda moment: moment.total), ordinary[-2:]
    assert recorded[-2].total == most.total + reading.activations + reading.logits + reading.cache
    assert recorded[-1] == end  # what is recorded is gone with the training
    packed = training_moments(replace(load, rows_are_text_alone=False), Rank("cuda", 2))
    assert packed[-2:] == ordinary[-2:]


def test_one_process_with_fsdp_records_no_step_and_has_no_copies_that_stay() -> None:
    """As where several have parts of the network: steps are those of `_sharded_machinery`."""
    config = preset_config("qwen3", num_layers=2, **SIZES)
    load = Load(config, TrainingSettings(batch_size=8, optimizer="adamw"))
    weights = 4 * parameter_counts(config)["total"]
    ranks = {strategy: Rank("cuda", 2, strategy=strategy) for strategy in get_args(Strategy)}
    held = {strategy: moments(load, rank)[UPDATE] for strategy, rank in ranks.items()}
    assert (held["fsdp"].weights, held["fsdp"].gradients) == (weights, weights)
    assert held["ddp"] == held["single"]
    assert (held["ddp"].weights > weights, held["ddp"].gradients < weights) == (True, True)
    validation = {strategy: training_moments(load, rank)[-2] for strategy, rank in ranks.items()}
    assert validation["ddp"].total == validation["single"].total > validation["fsdp"].total


def test_a_cards_stream_is_in_bf16_alone_and_no_tokens_to_learn_make_no_logits() -> None:
    config = preset_config("qwen3", num_layers=2, **SIZES)
    bf16, fp16 = (
        moments(Load(config, TrainingSettings(compile=True, precision=precision)), Rank("cuda", 2))[LOSS]
        for precision in ("bf16", "fp16")
    )
    tokens, kept = TrainingSettings().batch_size * LENGTH, 2 * 4 + 3  # norms' inputs, and what their gains act on
    assert fp16.activations - bf16.activations == 2 * kept * tokens * config.d_model
    assert logits_bytes(config, 0, Rank("cuda", 2)) == logits_bytes(config, 0, Rank()) == 0


def most_bytes(function: Callable[[], object]) -> int:
    """The most that PyTorch had allocated for a call at any moment of it."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as profiler:
        kept = function()
    assert profiler.profiler is not None
    assert profiler.profiler.kineto_results is not None
    changes = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    del kept
    return int(max(accumulate(event.nbytes() for event in sorted(changes, key=lambda event: event.start_ns()))))


@pytest.mark.parametrize(
    ("preset", "heads"), [("classic", 0), ("gpt2", 0), ("llama", 0), ("llama", 2), ("qwen3", 0), ("qwen3", 2)]
)
def test_what_reading_takes_is_what_was_allocated(preset: Preset, heads: int) -> None:
    sizes = {**SIZES, "d_model": 128, "max_seq_len": 256}
    model = Transformer(preset_config(preset, num_layers=2, num_kv_heads=heads, **sizes)).eval()
    ids = torch.zeros(4, 256, dtype=torch.long)
    with torch.inference_mode():
        taken = most_bytes(lambda: model.hidden_states(ids))
    assert inference_activation_bytes(model.config, ids.numel(), 256) == pytest.approx(taken, rel=0.01)


@pytest.mark.parametrize(("tokens", "device"), [(10, "cpu"), (300, "cpu"), (2000, "cpu"), (300, "cuda"), (300, "mps")])
def test_validations_scores_are_there_twice_where_they_come_in_slices(
    tokens: int, device: activation_memory.Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    if device != "cpu":
        monkeypatch.setattr(sliced_scores, "LOGITS_AT_ONCE", sliced_scores.LOGITS_ON_A_GPU)
    model = Transformer(preset_config("gpt2", num_layers=1, **{**SIZES, "vocab_size": 20_000})).eval()
    hidden, targets = torch.randn(tokens, 32), torch.zeros(tokens, dtype=torch.long)
    with torch.inference_mode():
        taken = most_bytes(lambda: sliced_scores.sliced_scores(model, hidden, targets))
    assert validation_logits_bytes(model.config, tokens, device) == pytest.approx(taken, rel=0.05)


@pytest.mark.parametrize("at_once", [2**18, 2**30])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_without_a_kernel_of_its_own_the_loss_takes_its_logarithms_too(
    dtype: torch.dtype, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_loss_on_a_gpu, "LOGITS_ON_A_GPU", at_once)
    for device in ("mps", "cuda"):
        monkeypatch.setitem(memory_parts.LOGITS_AT_ONCE, device, at_once)
    config, tokens = preset_config("gpt2", num_layers=1, **{**SIZES, "vocab_size": 4096}), 256
    hidden, weight = torch.randn(tokens, config.d_model), torch.randn(config.vocab_size, config.d_model)
    targets, wanted = torch.zeros(tokens, dtype=torch.long), Wanted(hidden=True, weight=True, bias=False)
    taken = most_bytes(lambda: on_a_gpu(hidden, weight, None, targets, dtype, wanted))
    counted = logits_bytes(config, tokens, Rank("mps", dtype.itemsize))
    assert counted == pytest.approx(taken, rel=0.07)
    # In small slices the sum of the projection's gradients before, and a slice's own, are more than its logarithms.
    by_a_kernel = logits_bytes(config, tokens, Rank("cuda", dtype.itemsize))
    assert counted > 1.2 * by_a_kernel if at_once == 2**30 or dtype == torch.bfloat16 else counted == by_a_kernel


def test_adamw_that_is_not_fused_takes_two_copies_of_a_parameter() -> None:
    config, settings = preset_config("gpt2", num_layers=2, **SIZES), TrainingSettings(optimizer="adamw")
    named = {name: parameter.detach().requires_grad_() for name, parameter in Transformer(config).named_parameters()}
    for parameter in named.values():
        parameter.grad = torch.ones_like(parameter)
    group, largest = AdamWGroup(list(named), named, 0.1), max(parameter.numel() for parameter in named.values())
    taken = most_bytes(lambda: group.step(settings, 1e-3, skip=None))
    assert update_bytes(config, settings, Rank("mps"), largest) == pytest.approx(taken, rel=0.03)
    assert update_bytes(config, settings, Rank("cuda"), largest) == 0
    assert moments(Load(config, settings), Rank("mps"))[UPDATE].update == 2 * 4 * largest


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
@pytest.mark.parametrize("preset", ["gpt2", "qwen3"])
def test_muon_makes_no_more_on_its_way_than_is_counted(preset: Preset, dtype: torch.dtype | None) -> None:
    config = preset_config(preset, num_layers=4, **{**SIZES, "d_model": 128})
    settings, model = TrainingSettings(optimizer="muon"), Transformer(config)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    muon = Optimizer(model, settings, dtype=dtype).muon
    taken = most_bytes(lambda: muon.step(1e-2, torch.zeros(())))
    assert taken <= update_bytes(config, settings, Rank(product_bytes=2 if dtype else 4))


def test_apples_gpus_record_no_step_and_keep_the_stream_in_fp32() -> None:
    config = preset_config("qwen3", num_layers=2, **SIZES)
    settings = TrainingSettings(batch_size=8, compile=True, precision="bf16")
    load = Load(config, settings, sample_tokens=0)
    on_apple, on_cuda = moments(load, Rank("mps", 2)), moments(load, Rank("cuda", 2))
    read = inference_activation_bytes(config, 32 * LENGTH, LENGTH, device="mps")
    assert on_apple[VALIDATION].activations == read, "and not beside what a recorded step holds, as on a CUDA card"
    assert on_cuda[VALIDATION].activations > on_cuda[LOSS].activations
    tokens, kept = 8 * LENGTH, 2 * 4 + 3  # norms' inputs, and what their gains act on
    attention = 2 * (
        block_activation_bytes(config, LENGTH, 2, device="mps")
        - block_activation_bytes(config, LENGTH, 2, device="cuda")
    )
    assert on_apple[LOSS].activations - on_cuda[LOSS].activations == tokens * (2 * kept * config.d_model + attention)


def test_gradients_that_are_there_twice_or_early_are_counted() -> None:
    config, settings = preset_config("gpt2", num_layers=2, **SIZES), TrainingSettings(batch_size=8, optimizer="adamw")
    apart = replace(config, tie_embeddings=False)
    matrix = 4 * config.vocab_size * config.d_model
    end = "the end of the way back"
    tied, untied = (moments(Load(each, settings), Rank())[end].gradients for each in (config, apart))
    assert tied == untied, "a tied embedding's comes from two places, and is one matrix in the end"
    assert tied - moments(Load(config, settings), Rank())[UPDATE].gradients == matrix
    parts = Load(config, replace(settings, accumulation_steps=2))
    assert moments(Load(config, settings), Rank())[LOSS].gradients == 0
    assert moments(parts, Rank())[LOSS].gradients == moments(parts, Rank())[UPDATE].gradients > 0


def test_what_makes_it_less() -> None:
    config = preset_config("qwen3", num_layers=8, **{**SIZES, "d_model": 256, "max_seq_len": 512})
    settings = TrainingSettings(batch_size=16)

    def total(settings: TrainingSettings = settings, **rank: object) -> int:
        return training_memory(Load(config, settings), Rank(**rank)).total  # type: ignore[arg-type]

    parts = [total(replace(settings, accumulation_steps=steps)) for steps in (1, 2, 4, 8)]
    assert parts == sorted(parts, reverse=True)
    assert total(replace(settings, activation_checkpointing=True)) < total()
    assert total(product_bytes=2) < total()
    few_tokens = replace(settings, batch_size=2)
    assert total(few_tokens, num_shards=2) > total(few_tokens)  # gradients of its own for each thread
    on_one = total(device="cuda", product_bytes=2)
    on_four = [total(device="cuda", product_bytes=2, world_size=4, strategy=name) for name in ("fsdp", "ddp")]
    assert on_four[0] < on_four[1] < on_one
    found = training_memory(Load(config, settings), Rank(libraries=1000))
    assert found.total == sum(value for value in vars(found).values() if isinstance(value, int))
