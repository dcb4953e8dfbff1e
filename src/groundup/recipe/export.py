"""A model in another form, with its parity certificate beside it; what is outside its bound is not written."""

from __future__ import annotations

import copy
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch

import groundup
from groundup.errors import ExportError, SettingError
from groundup.exports.gguf_vocabulary import expected_ids
from groundup.exports.gguf_writer import GgufType, write_gguf
from groundup.exports.hugging_face import write_hugging_face
from groundup.exports.llama_cpp import LlamaCpp, is_installed
from groundup.exports.onnx_runtime import import_onnx, import_onnxruntime
from groundup.exports.quantize import Quantize
from groundup.files import fsync_directory, fsync_file, sha256_file
from groundup.generation.forward import Forward
from groundup.language_model.locate import find_model
from groundup.language_model.model import LanguageModel
from groundup.model.directory import load_model, model_of_tensors
from groundup.model.families import from_hf_config
from groundup.model.gguf_file import read_gguf, require_gguf
from groundup.recipe.bounds import BOUNDS
from groundup.recipe.certificate import Reference, Say, certify, check_ids, measure_reference
from groundup.recipe.ways import (
    Way,
    has_transformers,
    llama_cpp_way,
    transformers_tokenizer,
    transformers_way,
    whole_pass,
    with_forward,
)
from groundup.tokens.tokenizer import Tokenizer

PARITY_FILE = "parity.json"
CARD_FILE = "README.md"
GGUF_FILE = "model.gguf"
FORMAT_VERSION = 1
GGUF_TYPES: dict[str, GgufType] = {"float32": "f32", "float16": "f16", "int8": "q8_0", "int4": "q4_0"}
Encode = Callable[[str], list[int]]


class _Checks(NamedTuple):
    """How an artifact is held against the model: by these ways, these encoders of text; and what isn't installed."""

    ways: list[Way]
    encoders: dict[str, tuple[Encode, Encode]]
    """By name: the ids that it gives, and those that it should."""
    not_compared: dict[str, str]


def export(
    model: LanguageModel | str | Path,
    to: str,
    output: str | Path,
    quantize: Quantize = "",
    dtype: str = "float32",
    say: Say = lambda line: None,
    reference: Reference | None = None,
) -> dict[str, Any]:
    """Write a model as a Hugging Face directory (`to` = hf), an ONNX graph (onnx) or a GGUF file (gguf) into the folder `output`; what is
    written into its parity.json, the certificate, is returned.

    `reference`: what was measured of the model itself, for whoever exports it in several forms.
    `dtype` is float32, of hf also float16 and bfloat16, of gguf also float16; `quantize`, of onnx and gguf, is int8 or int4.
    Raises `SettingError` for a form that there isn't, `ExportError` where `output` holds something, and where the export differs from the
    model by more than its bound: then nothing is written. `ModelError` and `TokenizerError` name what a form can't express.
    """
    form = quantize or dtype
    _check_names(to, quantize, dtype)
    _require_packages(to)
    output = Path(output)
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ExportError(f"{output} is there already, and nothing is overwritten: name a new folder, or an empty one")
    name, card = "model", None
    if not isinstance(model, LanguageModel):
        name, directory = _name(model), find_model(model)
        card = directory / CARD_FILE
        model = LanguageModel.load(model, device="cpu")
    elif model.model.token_embedding.weight.device.type != "cpu":  # where the other programs are compared
        model = LanguageModel(copy.deepcopy(model.model).cpu(), model.tokenizer)
    with _own_folder(output) as temporary:
        say(f"writing {to}, {form}")
        with _explaining(output):
            _write(model, to, form, quantize, temporary, name)
            if to == "hf" and card is not None and card.is_file():
                shutil.copyfile(card, temporary / CARD_FILE)
        certificate = _certify(model, to, form, temporary, name, say, reference)
        written = json.dumps(certificate, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        with _explaining(output):
            (temporary / PARITY_FILE).write_text(written, encoding="utf-8")
            for file in temporary.iterdir():
                fsync_file(file)
            if output.exists():
                output.rmdir()
            temporary.replace(output)
            fsync_directory(output.absolute().parent)
    return certificate


@contextmanager
def _own_folder(output: Path) -> Iterator[Path]:
    """A folder beside `output`, empty, into which no other process writes; it is gone when the block ends, unless it got another name."""
    folder = output.absolute().with_name(f".{output.absolute().name}.tmp")
    with _explaining(output):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ExportError(
                f"{output} is being written by another export: wait for it, or name another folder"
            ) from None
        try:
            for left in folder.iterdir():  # by a process that was killed
                left.unlink()
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(descriptor)


@contextmanager
def _explaining(output: Path) -> Iterator[None]:
    """What the disk refuses, in a sentence; libraries say it in ways of their own."""
    try:
        yield
    except OSError as error:
        reason = getattr(error, "strerror", None) or error
        raise ExportError(
            f"{output} can't be written ({reason}): free some room, or name a folder on another disk where you may write"
        ) from error


def _check_names(to: str, quantize: str, dtype: str) -> None:
    forms = sorted({form for form, _ in BOUNDS})
    if to not in forms:
        raise SettingError("export.to", to, f"use {', '.join(forms)}")
    known = [number_format for form, number_format in BOUNDS if form == to]
    whole = [each for each in known if each.startswith("int")]
    if quantize and quantize not in whole:
        raise SettingError("export.quantize", quantize, f"{to} has {' and '.join(whole) or 'none: leave it out'}")
    if quantize and dtype != "float32":
        raise SettingError(
            "export.dtype", dtype, f"leave it out: export.quantize = {quantize!r} says how weights are kept"
        )
    if dtype not in known or dtype in whole:
        floating = [each for each in known if each not in whole]
        raise SettingError("export.dtype", dtype, f"{to} has {' and '.join(floating)}")


def _require_packages(to: str) -> None:
    """Raise `MissingExtraError` before a model is loaded, not after."""
    if to == "onnx":
        import_onnx()
        import_onnxruntime()
    elif to == "gguf":
        require_gguf("writing GGUF")


def _name(model: str | Path) -> str:
    """What to call it: of a run's model/ or checkpoint, the run's name."""
    parts = [part for part in Path(model).absolute().parts if part not in ("model", "checkpoints")]
    while len(parts) > 1 and parts[-1].startswith("step-"):
        parts.pop()
    return parts[-1].removesuffix(".gguf")


def _write(model: LanguageModel, to: str, form: str, quantize: Quantize, directory: Path, name: str) -> None:
    if to == "hf":
        write_hugging_face(model.model, model.tokenizer, directory, form)
    elif to == "gguf":
        write_gguf(model.model, model.tokenizer, directory / GGUF_FILE, GGUF_TYPES[form], name)
    else:
        from groundup.exports.onnx_graph import write_onnx

        write_onnx(model.model, directory, quantize)
        model.tokenizer.save(directory, max_length=model.model.config.max_seq_len)


def _certify(
    model: LanguageModel, to: str, form: str, directory: Path, name: str, say: Say, reference: Reference | None
) -> dict[str, Any]:
    checks = {"hf": _hugging_face, "onnx": _onnx, "gguf": _gguf}[to](model, directory)
    for who, (encode, should) in checks.encoders.items():
        check_ids(who, encode, should)
    reference, bound = reference or measure_reference(model, say), BOUNDS[to, form]
    rows = [*reference.rows, *certify(reference, [(way, bound) for way in checks.ways], say)]
    files = {file.name: file for file in sorted(directory.iterdir())}
    config = model.model.config
    return {
        "format_version": FORMAT_VERSION,
        "to": to,
        "number_format": form,
        "model": {
            "name": name,
            "preset": config.preset,
            "parameters": sum(parameter.numel() for parameter in model.model.parameters()),
            "vocabulary": config.vocab_size,
            "context": config.max_seq_len,
        },
        "bytes": sum(file.stat().st_size for file in files.values()),
        "files": {file: {"bytes": path.stat().st_size, "sha256": sha256_file(path)} for file, path in files.items()},
        "texts": [
            {"name": text.name, "tokens": len(text.ids), "predicted": len(text.ids) - text.start}
            for text in reference.texts
        ],
        "perplexity_tokens": sum(len(row) - 1 for row in reference.own_rows),
        "bound": {key: limit for key, limit in asdict(bound).items() if limit != float("inf")},
        "same_ids": list(checks.encoders),
        "ways": rows,
        "not_compared": checks.not_compared,
        "threads": torch.get_num_threads(),
        "versions": {"groundup": groundup.__version__, "torch": torch.__version__},
    }


def _hugging_face(model: LanguageModel, directory: Path) -> _Checks:
    should = model.tokenizer.encode
    ways = [whole_pass("groundup, the directory", load_model(directory))]
    encoders: dict[str, tuple[Encode, Encode]] = {"groundup": (Tokenizer.load(directory).encode, should)}
    not_compared = {}
    if model.model.config.preset == "classic":
        not_compared["transformers"] = "no stock class has this layout"
    elif not has_transformers():
        not_compared["transformers"] = "not installed"
    else:
        ways.append(transformers_way(directory))
        encoders["transformers"] = (transformers_tokenizer(directory), should)
    return _Checks(ways, encoders, not_compared)


def _onnx(model: LanguageModel, directory: Path) -> _Checks:
    from groundup.exports.onnx_forward import OnnxForward, PortableForward

    threads, version = torch.get_num_threads(), str(import_onnxruntime().__version__)
    steps: dict[str, Forward] = {
        "ONNX Runtime": PortableForward.of_file(directory, threads),
        "ONNX Runtime in our engine": OnnxForward(directory, threads),
    }
    ways = [with_forward(name, model.model, forward, version) for name, forward in steps.items()]
    return _Checks(ways, {"groundup": (Tokenizer.load(directory).encode, model.tokenizer.encode)}, {})


def _gguf(model: LanguageModel, directory: Path) -> _Checks:
    from groundup.tokens.gguf_vocabulary import read_gguf_tokenizer

    config, tokenizer = model.model.config, model.tokenizer
    file = read_gguf(directory / GGUF_FILE)
    again = model_of_tensors(from_hf_config(file.hf_config), file.tensors)
    again_tokenizer = read_gguf_tokenizer(file.facts)
    ways = [whole_pass("groundup, the file", again)]
    encoders: dict[str, tuple[Encode, Encode]] = {
        "groundup": (
            lambda text: again_tokenizer.encode(text, whole=False),
            lambda text: expected_ids(tokenizer, text, whole=False) or again_tokenizer.encode(text, whole=False),
        ),
    }
    if not is_installed():
        return _Checks(ways, encoders, {"llama.cpp": "xllamacpp is not installed"})
    llama_cpp = LlamaCpp(directory / GGUF_FILE, config.max_seq_len, torch.get_num_threads())
    encoders["llama.cpp"] = (
        llama_cpp.tokenize,
        lambda text: expected_ids(tokenizer, text) or llama_cpp.tokenize(text),
    )
    return _Checks([*ways, llama_cpp_way(llama_cpp, config.max_seq_len, config.vocab_size)], encoders, {})
