"""Adapters on disk: low-rank matrices as PEFT writes them, without the model that they belong to.

    adapter_config.json         rank, alpha, which matrices, and the base by name
    adapter_model.safetensors   A (rank, in) and B (out, rank) of each matrix, fp32, and the hash of the base's weights

Like a model's directory it is only data: nothing is unpickled, and nothing that a config says is run.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import torch
from torch import Tensor

from groundup.errors import ModelError
from groundup.model.adapter_config import ADAPTER_CONFIG_FILE, AdapterConfig, adapter_config, read_adapter_config
from groundup.model.directory import PICKLES, read_json, write_json
from groundup.model.families import block_matrices, parameter_shapes
from groundup.model.family_tables import FAMILIES
from groundup.model.lora import add_parts, lora_layers, name_in_block
from groundup.model.lora_settings import LoraSettings, stands_for
from groundup.model.transformer import Transformer
from groundup.model.weights import StoredTensors
from groundup.model.write_tensors import write_tensors

ADAPTER_FILE = "adapter_model.safetensors"
BASE_HASH = "base_sha256"  # in the file's metadata, which others don't look at
MERGE_INSTEAD = "merge the adapter into its base (in peft: merge_and_unload) and open that"
TENSOR = re.compile(r"base_model\.model\.(.+)\.lora_([AB])\.weight")


def weights_sha256(model: Transformer) -> str:
    """The hash of a network's weights, those that an adapter stands beside: names, shapes and fp32 bytes. Adapters don't count."""
    state, digest = model.state_dict(), hashlib.sha256()
    for name, shape in sorted(parameter_shapes(model.config).items()):
        digest.update(f"{name} {shape}\n".encode())
        digest.update(state[name].detach().to("cpu", torch.float32).contiguous().numpy().data)
    return digest.hexdigest()


def save_adapter(model: Transformer, directory: Path, base_name: str, base_sha256: str, settings: LoraSettings) -> None:
    """Write the network's adapters as PEFT does: `PeftModel.from_pretrained` of the stock base opens the directory.

    `settings` are those that the adapters were made with. `base_name` is where the base is found again: a directory, a catalogue
    name, an id of the hub. What the disk refuses is an `OSError`.
    """
    tensors: dict[str, Tensor] = {}
    ranks, alphas = {}, {}
    for layer in lora_layers(model).values():
        for part, a, b in zip(layer.parts, layer.lora_a, layer.lora_b, strict=True):
            for which, tensor in (("A", a), ("B", b)):
                name = f"base_model.model.{part.name}.lora_{which}.weight"
                tensors[name] = tensor.detach().to("cpu", torch.float32).contiguous()
            if part.rank != settings.rank:
                ranks[part.name] = part.rank
            if part.alpha != settings.alpha:
                alphas[part.name] = part.alpha
    transposed = model.config.preset in FAMILIES and FAMILIES[model.config.preset].transposed
    written = adapter_config(base_name, settings, _target_names(model), ranks, alphas, transposed)
    if not directory.is_dir():  # where a run's folder was moved away meanwhile, none is to begin in its place
        directory.mkdir(parents=True)
    write_json(directory / ADAPTER_CONFIG_FILE, written)
    write_tensors(directory / ADAPTER_FILE, tensors, {"format": "pt", BASE_HASH: base_sha256})


def load_adapter(model: Transformer, directory: Path, base_sha256: str | None = None) -> LoraSettings:
    """Put the adapters of a directory, ours or PEFT's, beside the network's matrices, in place; what they were made with.

    Adapters that the network has already are dropped. `base_sha256` is the hash of its weights, which is computed where it is not
    given and the file names one. Raises `ModelError` for a directory that can't be read or asks for what we don't have, and for
    the adapter of another base: by its hash where the file has one, by names and shapes in any case.
    """
    config, file = _read_config(directory), _weight_file(directory)
    stored = StoredTensors([file])
    wanted = stored.metadata(file).get(BASE_HASH)
    if wanted is not None and wanted != (base_sha256 or weights_sha256(model)):
        raise ModelError(
            f"{directory} was trained beside other weights than these (sha256 {wanted[:12]}…; it calls its base "
            f"{config.base_name!r}); open it with the base that it was trained with"
        )
    try:
        tensors = _checked(stored, config, model)
    except ModelError as error:
        raise ModelError(f"{file}: {error}") from None
    shapes = {name: (config.rank_of(name), config.alpha_of(name), config.rank_stabilized) for name, _ in tensors}
    add_parts(model, shapes, config.dropout)
    with torch.no_grad():
        for layer in lora_layers(model).values():
            for part, a, b in zip(layer.parts, layer.lora_a, layer.lora_b, strict=True):
                a.copy_(tensors[part.name, "A"])
                b.copy_(tensors[part.name, "B"])
    return LoraSettings(config.rank, config.alpha, config.dropout, config.rank_stabilized, tuple(_target_names(model)))


def base_name_of(directory: Path) -> str:
    """What an adapter calls its base; empty if it doesn't say. Raises `ModelError` as `load_adapter` does for the config."""
    return _read_config(directory).base_name


def _read_config(directory: Path) -> AdapterConfig:
    path = directory / ADAPTER_CONFIG_FILE
    if not path.is_file():
        raise ModelError(f"{directory} holds no {ADAPTER_CONFIG_FILE}, so it is no adapter; name the directory of one")
    values = read_json(path)
    try:
        return read_adapter_config(values)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None


def _weight_file(directory: Path) -> Path:
    file = directory / ADAPTER_FILE
    if file.is_file():
        return file
    pickles = sorted(path.name for path in directory.iterdir() if path.suffix in PICKLES)
    if pickles:
        raise ModelError(
            f"{directory} holds a pickle only ({pickles[0]}), which can run code when loaded; convert it to safetensors where you "
            "trust it (in peft: PeftModel.from_pretrained, then save_pretrained), and load that"
        )
    raise ModelError(f"{directory} holds no {ADAPTER_FILE}; its weights are missing, so get the directory again")


def _checked(stored: StoredTensors, config: AdapterConfig, model: Transformer) -> dict[tuple[str, str], Tensor]:
    """A and B of each matrix: all that the config promises, of the shapes that the network asks for, and finite."""
    expected = {name: shape for pieces in block_matrices(model.config).values() for name, shape in pieces.items()}
    tensors: dict[tuple[str, str], Tensor] = {}
    for stored_name in sorted(stored):
        match = TENSOR.fullmatch(stored_name)
        if match is None:
            raise ModelError(
                f"tensor {stored_name} is no A or B of a linear layer, and we have nothing else; {MERGE_INSTEAD}"
            )
        name, which = match.groups()
        if name not in expected:
            known = ", ".join(dict.fromkeys(name_in_block(model.config, name) for name in expected))
            raise ModelError(
                f"{name} is no matrix that this network (preset {model.config.preset!r}, {model.config.num_layers} layers) can "
                f"have adapted; it has {known} in each layer, so the adapter is of another base"
            )
        rank, (rows, columns) = config.rank_of(name), expected[name]
        tensor, shape = stored[stored_name], (rank, columns) if which == "A" else (rows, rank)
        if tuple(tensor.shape) != shape:
            raise ModelError(
                f"tensor {stored_name} has shape {tuple(tensor.shape)}, but rank {rank} and these weights ask for {shape}; "
                "the adapter is of another base, or its config of another adapter"
            )
        if not tensor.is_floating_point() or not torch.isfinite(tensor).all():
            raise ModelError(f"tensor {stored_name} holds NaN, Inf or no numbers; get the file again")
        tensors[name, which] = tensor
    promised = {name for name in expected if any(stands_for(target, name) for target in config.targets)}
    for name in sorted(promised | {name for name, _ in tensors}):
        for which in "AB":
            if (name, which) not in tensors:
                raise ModelError(f"base_model.model.{name}.lora_{which}.weight is missing; get the file again")
    if not tensors:
        raise ModelError("it holds no tensor; get the file again")
    return tensors


def _target_names(model: Transformer) -> list[str]:
    """The adapted matrices as short as PEFT can tell them from the others: `q_proj`, GPT-2's `attn.c_proj`."""
    every = [name for pieces in block_matrices(model.config).values() for name in pieces]
    adapted = {part.name for layer in lora_layers(model).values() for part in layer.parts}
    targets: list[str] = []
    for name in sorted(adapted):
        inner = name_in_block(model.config, name)
        for target in (inner.rpartition(".")[2], inner, name):
            if all(other in adapted for other in every if stands_for(target, other)):
                targets.append(target)
                break
    return list(dict.fromkeys(targets))
