"""A model on disk: a Hugging Face directory, written from our network and read into it.

    config.json              what the stock class needs to know (for preset classic, which has none: our own fields)
    generation_config.json   the tokens that end a text, the token that pads
    model.safetensors        the weights, fp32

Nothing is ever unpickled, and nothing that a config names is fetched or run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from groundup.config import as_plain, build
from groundup.errors import ModelError, SettingError
from groundup.model.families import (
    check_num_layers,
    check_tensors,
    checked_hf_tensors,
    copy_hf_tensors,
    from_hf_config,
    parameter_shapes,
    some_hf_tensors,
    to_hf_config,
    to_hf_tensors,
)
from groundup.model.family_keys import LARGEST
from groundup.model.settings import TransformerConfig
from groundup.model.transformer import Transformer
from groundup.model.weights import StoredTensors
from groundup.model.write_tensors import write_tensors

CLASSIC = "groundup-classic"  # the model_type of a directory that only we can open
CLASSIC_NOTE = (
    "No stock Hugging Face class has this layout (preset classic); the directory opens in groundup only. "
    "Train with preset gpt2, llama or qwen3 for one that opens everywhere."
)
WEIGHTS_FILE, INDEX_FILE = "model.safetensors", "model.safetensors.index.json"
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")


def save_model(
    model: Transformer,
    directory: Path,
    end_id: int | None = None,
    pad_id: int | None = None,
    begin_id: int | None = None,
    end_ids: Sequence[int] = (),
    weights: Mapping[str, Tensor] | None = None,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write the model as a directory that the stock class of its family opens (preset classic: that we open).

    `end_id` is the token that ends a text, `pad_id` the one that fills up a batch, `begin_id` the one that begins a text (none
    means: `end_id`), `end_ids` those at which writing stops, `end_id` among them or not; `weights` are written in
    place of the model's own. They are written in `dtype`. Raises `ModelError` where the stock class can't express the network, or the
    dtype a weight, before anything is written; what the disk refuses is an `OSError`.
    """
    config = model.config
    ids = _special_ids(end_id, pad_id, begin_id, end_ids)
    given = model.state_dict() if weights is None else weights
    state = {name: tensor.detach().to("cpu", torch.float32) for name, tensor in given.items()}
    if config.preset == "classic":
        written = {"model_type": CLASSIC, "note": CLASSIC_NOTE, **as_plain(config)}
        tensors = {name: state[name] for name in parameter_shapes(config)}
    else:
        written = {**to_hf_config(config, end_id, pad_id), **ids}
        tensors = to_hf_tensors(config, state)
        written |= dict.fromkeys(("dtype", "torch_dtype"), str(dtype).removeprefix("torch."))
    in_dtype = {name: _in_dtype(name, tensor, dtype) for name, tensor in tensors.items()}
    _write_configs(directory, written, ids)
    write_tensors(directory / WEIGHTS_FILE, in_dtype, {"format": "pt"})


def save_model_part(
    config: TransformerConfig, directory: Path, weights: Mapping[str, Tensor], part: int, parts: int
) -> None:
    """Write some of a network's weights, by our names, as file `part` (from 0) of `parts`; `save_part_index` writes the rest."""
    some = {name: tensor.detach().to("cpu", torch.float32) for name, tensor in weights.items()}
    tensors = some if config.preset == "classic" else some_hf_tensors(config, some)
    write_tensors(directory / f"model-{part + 1:05d}-of-{parts:05d}.safetensors", tensors, {"format": "pt"})


def save_part_index(
    config: TransformerConfig,
    directory: Path,
    end_id: int | None = None,
    pad_id: int | None = None,
    begin_id: int | None = None,
    end_ids: Sequence[int] = (),
) -> None:
    """Write the configs of a directory whose weights are there in parts, and the index that says which part holds what; ids as in
    `save_model`."""
    ids = _special_ids(end_id, pad_id, begin_id, end_ids)
    if config.preset == "classic":
        written = {"model_type": CLASSIC, "note": CLASSIC_NOTE, **as_plain(config)}
    else:
        written = {**to_hf_config(config, end_id, pad_id), **ids}
    _write_configs(directory, written, ids)
    places, size = {}, 0
    for file in sorted(directory.glob("model-*-of-*.safetensors")):
        stored = StoredTensors([file])
        for name in sorted(stored):
            places[name], size = file.name, size + stored[name].nbytes
    write_json(directory / INDEX_FILE, {"metadata": {"total_size": size}, "weight_map": places})


def _write_configs(directory: Path, config: Mapping[str, Any], ids: Mapping[str, Any]) -> None:
    if not directory.is_dir():  # where a run's folder was moved away meanwhile, none is to begin in its place
        directory.mkdir(parents=True)
    write_json(directory / "config.json", config)
    write_json(directory / "generation_config.json", {"_from_model_config": True, **ids})


def _in_dtype(name: str, tensor: Tensor, dtype: torch.dtype) -> Tensor:
    if dtype == torch.float16 and tensor.abs().max() > torch.finfo(dtype).max:
        raise ModelError(f"{name} holds numbers beyond half precision, 65,504; write it as float32 or bfloat16")
    return tensor.to(dtype)


def _special_ids(
    end_id: int | None, pad_id: int | None, begin_id: int | None, end_ids: Sequence[int]
) -> dict[str, Any]:
    ends = list(dict.fromkeys(each for each in (end_id, *end_ids) if each is not None))
    return {
        "bos_token_id": end_id if begin_id is None else begin_id,
        "eos_token_id": ends if len(ends) > 1 else end_id,
        "pad_token_id": pad_id,
    }


def load_model(directory: Path) -> Transformer:
    """The model of a directory that we or others wrote, on the CPU, in fp32 and in evaluation mode.

    Raises `ModelError` where the path, its config or its weights can't be used; every weight comes from the files.
    """
    config = read_config(directory)
    stored = StoredTensors(_weight_files(directory))
    try:
        return model_of_tensors(config, stored)
    except ModelError as error:
        raise ModelError(f"{directory}: {error}") from None


def model_of_tensors(config: TransformerConfig, stored: Mapping[str, Tensor]) -> Transformer:
    """The model with these weights, which are read one at a time: on the CPU, in fp32 and in evaluation mode.

    Their names are those of the stock class, or, for preset classic, ours. Raises `ModelError` where they don't fit.
    """
    tensors = _checked(config, stored)
    with WithoutInitialization():
        model = Transformer(config)
    state = model.state_dict()
    with torch.no_grad():  # copies: the file may be written anew while the model lives
        if config.preset == "classic":
            for name, tensor in tensors.items():
                state[name].copy_(tensor)
        else:
            copy_hf_tensors(config, tensors, state)
    return model.eval()


class WithoutInitialization(TorchFunctionMode):
    """Inside it, new modules leave their weights as the memory was: no time spent, no random numbers drawn."""

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))


def read_config(directory: Path) -> TransformerConfig:
    """The network that a directory holds, from its config.json alone. Raises `ModelError` where it can't be used."""
    if not directory.exists():
        raise ModelError(
            f"{directory}: there is no such directory; name one that holds a config.json and a model.safetensors"
        )
    if not directory.is_dir():
        raise ModelError(f"{directory} is a file, not a model; name the directory that holds its config.json")
    path = directory / "config.json"
    if not path.exists():
        raise ModelError(f"{directory} holds no config.json, so it is not a model; name the directory that holds one")
    values = read_json(path)
    try:
        return _own_config(values) if values.get("model_type") == CLASSIC else from_hf_config(values)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None


def _own_config(values: Mapping[str, Any]) -> TransformerConfig:
    fields = {key: value for key, value in values.items() if key not in ("model_type", "note")}
    for key, value in fields.items():
        if isinstance(value, int) and value > LARGEST:
            raise ModelError(f"{key} = {value} is beyond the largest size we read, {LARGEST}; get the file again")
    if fields.get("preset") != "classic":
        raise ModelError(
            f"preset = {fields.get('preset')!r}, but model_type {CLASSIC!r} is preset 'classic'; get the file again"
        )
    try:
        return build(TransformerConfig, fields, "model.")
    except SettingError as error:
        raise ModelError(f"{error}; get the file again") from None


def _checked(config: TransformerConfig, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    if config.preset != "classic":
        return checked_hf_tensors(config, tensors)
    check_num_layers(config, tensors, "blocks", "num_layers")
    check_tensors(parameter_shapes(config), tensors)
    return tensors


def _weight_files(directory: Path) -> list[Path]:
    whole, index = directory / WEIGHTS_FILE, directory / INDEX_FILE
    if whole.exists():
        return [whole]
    if index.exists():
        return _shards(directory, index)
    pickles = sorted(path.name for path in directory.iterdir() if path.suffix in PICKLES)
    if pickles:
        raise ModelError(
            f"{directory} holds a pickle only ({pickles[0]}), which can run code when loaded; convert it to "
            "safetensors where you trust it (in transformers: from_pretrained, then save_pretrained), and load that"
        )
    raise ModelError(f"{directory} holds no model.safetensors; its weights are missing, so get the directory again")


def _shards(directory: Path, index: Path) -> list[Path]:
    places = read_json(index).get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(place, str) for place in places.values()):
        raise ModelError(f"{index} has no weight_map that says which file holds which tensor; get the file again")
    files = []
    for name in sorted(set(places.values())):
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise ModelError(
                f"{index} names {name!r}, which is not a safetensors file of its own directory; get the file again"
            )
        files.append(directory / name)
    if absent := sorted(places.keys() - StoredTensors(files).keys()):
        raise ModelError(
            f"{index} names tensor {absent[0]}, but {places[absent[0]]} does not hold it; get the directory again"
        )
    return files


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of a file that others wrote. Raises `ModelError` where it isn't one."""
    try:
        values = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is not JSON ({error}); get the file again") from None
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}); check its permissions") from None
    if not isinstance(values, dict):
        raise ModelError(f"{path} should hold a JSON object, not {type(values).__name__}; get the file again")
    return values


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a JSON object for people to read, too."""
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
