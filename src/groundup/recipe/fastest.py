"""The engine's pass, chosen by measuring: PyTorch's, or ONNX Runtime's graph of the same weights where its scores are the same.

What was measured is kept in the user's cache, for this network, this machine and these versions.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from groundup.config import as_plain
from groundup.device import describe_machine
from groundup.errors import MachineError, MissingExtraError, ModelError
from groundup.exports.onnx_forward import OnnxForward
from groundup.exports.quantize import Quantize
from groundup.files import replacing, sha256_text
from groundup.generation.forward import Forward, evaluating, last_logits
from groundup.language_model import LanguageModel
from groundup.model.transformer import KVCache, Transformer
from groundup.text.cache import cache_directory

PYTORCH, ONNX_RUNTIME = "PyTorch", "ONNX Runtime"
SAME = 1e-3  # how far scores may be apart, as a share of their spread: beyond it the graph is not this network
PROMPT, LEAST_STEPS = 8, 6
SECONDS = 0.3  # for each pass: the fastest of its steps counts, which others on the machine can't make faster


@dataclass(frozen=True)
class Choice:
    """Which pass the engine takes, and why."""

    name: str
    """PyTorch or ONNX Runtime."""
    tokens_per_second: dict[str, float]
    """Of each that was measured, all rows together; empty where there was nothing to choose."""
    reason: str = ""
    """Why another was left out."""


def use_fastest(language_model: LanguageModel, quantize: Quantize = "", num_rows: int = 1) -> Choice:
    """Give the model the fastest pass for a batch of `num_rows` texts (`language_model.forward`), and say which it is.

    ONNX Runtime's is taken only where its scores are the network's, whatever was kept of another time. With `quantize` it is that with int8
    or int4 weights, whatever PyTorch would take. Raises `MissingExtraError` where that is asked for and not installed, `ModelError` where
    the model isn't on the CPU, in float32.
    """
    model, language_model.forward = language_model.model, None
    if quantize:
        language_model.forward = OnnxForward.of_model(model, quantize)
        return Choice(ONNX_RUNTIME, {}, f"{quantize} weights were asked for, which PyTorch's pass hasn't")
    if reason := _unavailable(model):
        return Choice(PYTORCH, {}, reason)
    path = _record_path(model, num_rows)
    kept = _read_record(path)
    if kept and kept.name == PYTORCH:
        return kept
    try:
        graph = OnnxForward.of_model(model)
    except MissingExtraError:
        return Choice(PYTORCH, {}, "the export extra, which has ONNX Runtime, is not complete")
    if reason := _difference(model, graph):
        return Choice(PYTORCH, {}, reason)
    choice = kept or _measured(model, {PYTORCH: last_logits(model), ONNX_RUNTIME: graph}, num_rows)
    if choice.name == ONNX_RUNTIME:
        language_model.forward = graph
    if not kept and path is not None:
        with suppress(OSError), replacing(path) as file:  # then it is measured again next time
            file.write(json.dumps(as_plain(choice), indent=2).encode())
    return choice


def use_onnx(language_model: LanguageModel, quantize: Quantize = "") -> None:
    """Give the model ONNX Runtime's pass, however fast. Raises as `use_fastest` does with `quantize`, and `ModelError` where the graph of
    the unquantized weights has other scores than the network."""
    graph = OnnxForward.of_model(language_model.model, quantize)
    if not quantize and (reason := _difference(language_model.model, graph)):
        raise ModelError(f"{reason}: let PyTorch compute instead")
    language_model.forward = graph


def _unavailable(model: Transformer) -> str:
    weight = model.token_embedding.weight
    if weight.device.type != "cpu":
        return f"the model is on {weight.device.type}"
    if weight.dtype != torch.float32:
        return f"the model is in {weight.dtype}"
    if find_spec("onnxruntime") is None or find_spec("onnx") is None:
        return "ONNX Runtime is not installed (the export extra has it)"
    return ""


def _difference(model: Transformer, graph: Forward) -> str:
    """What speaks against the graph's scores; empty where they are the network's."""
    with evaluating(model):
        ours, theirs = (_first_logits(model, each, 2) for each in (last_logits(model), graph))
    if not ours.isfinite().all():
        return "the model's scores are not finite numbers"
    apart = float((ours - theirs).abs().max() / ours.std().clamp(min=torch.finfo().tiny))
    return "" if apart < SAME else f"the graph's scores are not the network's: {apart:.1g} of their spread apart"


def _measured(model: Transformer, passes: dict[str, Forward], num_rows: int) -> Choice:
    """The quicker."""
    with evaluating(model):
        speeds = {name: round(_speed(model, each, num_rows), 1) for name, each in passes.items()}
    return Choice(max(speeds, key=lambda name: speeds[name]), speeds)


def _cache(model: Transformer, num_rows: int) -> KVCache:
    return KVCache(model.config, num_rows, min(model.config.max_seq_len, 4 * PROMPT), "cpu")


def _prompt(model: Transformer, num_rows: int) -> torch.Tensor:
    length = min(PROMPT, model.config.max_seq_len)
    return torch.arange(num_rows * length).reshape(num_rows, length) % model.config.vocab_size


def _first_logits(model: Transformer, forward: Forward, num_rows: int) -> torch.Tensor:
    """After a prompt, and after one more token where there is room."""
    cache, prompt = _cache(model, num_rows), _prompt(model, num_rows)
    logits = [forward(prompt, cache).clone()]
    if cache.lengths[0] < cache.max_len:
        logits.append(forward(prompt[:, :1], cache).clone())
    return torch.cat(logits)


def _speed(model: Transformer, forward: Forward, num_rows: int) -> float:
    """Tokens a second of the quickest step."""
    cache, prompt = _cache(model, num_rows), _prompt(model, num_rows)
    forward(prompt, cache)
    times: list[float] = []
    while len(times) < LEAST_STEPS or sum(times) < SECONDS:
        cache.lengths = [min(PROMPT, cache.max_len - 1)] * num_rows
        times.append(_seconds(lambda: forward(prompt[:, :1], cache)))
    return num_rows / min(times)


def _seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _record_path(model: Transformer, num_rows: int) -> Path | None:
    """Where the choice for such a network is kept; None where nothing can be."""
    facts = {
        "network": as_plain(model.config),
        "rows": num_rows,
        "machine": describe_machine(torch.device("cpu")),
        "threads": torch.get_num_threads(),
        "versions": {name: version(name) for name in ("groundup", "torch", "onnxruntime")},
    }
    try:
        folder = cache_directory() / "passes"
        folder.mkdir(exist_ok=True)
    except (MachineError, OSError):
        return None
    return folder / f"{sha256_text(json.dumps(facts, sort_keys=True))[:32]}.json"


def _read_record(path: Path | None) -> Choice | None:
    """What was kept; None where there is none, or none that can be read."""
    try:
        values = json.loads(path.read_text(encoding="utf-8")) if path else None
        return Choice(str(values["name"]), dict(values["tokens_per_second"]), str(values["reason"])) if values else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
