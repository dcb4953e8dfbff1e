"""Models that come in another form, as Hugging Face directories in the cache: GGUF files, the catalogue's, a hub's."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundup.errors import ModelError, TokenizerError
from groundup.files import sha256_file
from groundup.text.cache import cache_directory, locked
from groundup.text.catalogue import MODELS
from groundup.text.fetch import fetch_model, is_fetched
from groundup.text.remote import fetch_hub
from groundup.tokens.existing import HUB_FILES as TOKENIZER_FILES

if TYPE_CHECKING:
    from groundup.model.gguf_file import GgufFile
    from groundup.tokens.tokenizer import Tokenizer

FORMAT_VERSION = 3
HUB_FILES = (
    "config.json",
    "generation_config.json",
    "*.safetensors",
    "*.safetensors.index.json",
    "chat_template.jinja",
)
PICKLES = ("pytorch_model*.bin",)
CARD_FILE = "README.md"

Say = Callable[[str], None]


def tell(line: str) -> None:
    """Say something on the terminal that isn't what was asked for."""
    print(f"groundup: {line}", file=sys.stderr)


def directory_of_catalogue(name: str, say: Say = tell) -> Path:
    """The directory of a model of the catalogue, fetched and converted once.

    Raises `MissingExtraError` before anything is fetched that couldn't be read without the gguf package.
    """
    entry, cache = MODELS[name], cache_directory()
    if not is_fetched(entry, cache):
        from groundup.model.gguf_file import require_gguf

        require_gguf(f"reading {name}")
    return directory_of_gguf(fetch_model(entry, cache, say), say)


def directory_of_hub(name: str, say: Say = tell) -> Path:
    """The directory of a model of the hub, `hf://owner/name`. Safetensors and settings are fetched, never a pickle, never code."""
    directory = fetch_hub(name, "model", [*HUB_FILES, *TOKENIZER_FILES], cache_directory(), say)
    if not any(directory.glob("*.safetensors")):
        raise ModelError(
            f"{name} has no safetensors: its weights, if any, are a pickle, which can run code when it is loaded, so it is not "
            "fetched; convert it where you trust it (in transformers: from_pretrained, then save_pretrained), and name that folder"
        )
    return directory


def directory_of_gguf(path: Path, say: Say = tell) -> Path:
    """The Hugging Face directory of a GGUF file, its weights dequantized to fp32: made once, and kept under the file's hash.

    Raises `ModelError` or `TokenizerError` for what can't be read, `MissingExtraError` without the gguf package, `MachineError`
    without a writable cache.
    """
    if not path.is_file():
        raise ModelError(f"{path}: there is no such file; name a .gguf file")
    sha256 = sha256_file(path)
    directory = cache_directory() / "models" / f"gguf-{FORMAT_VERSION}-{sha256[:32]}"
    if directory.is_dir():
        return directory
    from groundup.model.gguf_file import read_gguf
    from groundup.tokens.gguf_vocabulary import read_gguf_tokenizer

    file = read_gguf(path)  # what can't be read leaves nothing in the cache, no lock either
    try:
        tokenizer = read_gguf_tokenizer(file.facts)
    except TokenizerError as error:
        raise TokenizerError(f"{path}: {error}") from None
    with locked(directory):
        if not directory.is_dir():
            _convert(path, file, tokenizer, sha256, directory, say)
    return directory


def _convert(path: Path, file: GgufFile, tokenizer: Tokenizer, sha256: str, directory: Path, say: Say) -> None:
    from groundup.model.directory import model_of_tensors, save_model
    from groundup.model.families import from_hf_config

    say(f"converting {path.name} to a directory in the cache, once")
    try:
        config = from_hf_config(file.hf_config)
        if tokenizer.vocab_size > config.vocab_size:
            raise ModelError(
                f"the tokenizer has {tokenizer.vocab_size} tokens but token_embd.weight only {config.vocab_size} rows; get the file again"
            )
        model = model_of_tensors(config, file.tensors)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    temporary = directory.with_name(f".{directory.name}")
    shutil.rmtree(temporary, ignore_errors=True)  # of a process that was killed: we hold the lock
    temporary.mkdir(parents=True)
    save_model(model, temporary, tokenizer.end_id, tokenizer.pad_id, tokenizer.begin_id, tokenizer.end_ids)
    tokenizer.save(temporary, max_length=config.max_seq_len)
    (temporary / CARD_FILE).write_text(_card(path, sha256, file.facts, file.kinds), encoding="utf-8")
    temporary.replace(directory)


def _card(path: Path, sha256: str, facts: Mapping[str, Any], kinds: Mapping[str, int]) -> str:
    """The model card: where the weights come from, and what was lost before they came here."""
    name = str(facts.get("general.name", path.stem))
    license_name = facts.get("general.license")
    stored = ", ".join(f"{form} ({number})" for form, number in kinds.items())
    front = [f"license: {json.dumps(license_name)}"] if isinstance(license_name, str) else []
    quantized = [form for form in kinds if form not in ("F32", "F16", "BF16")]
    loss = (
        f"Its weights were **dequantized** from {' and '.join(quantized)}: they are written in fp32 here, but are only as exact as those "
        f"few bits a weight, and so is what the model says."
        if quantized
        else "Its weights are as exact as the file's."
    )
    lines = ["---", *front, "library_name: transformers", "pipeline_tag: text-generation", "---", "", f"# {name}", ""]
    lines += [
        f"Converted from the GGUF file `{path.name}` (sha256 `{sha256}`), which holds tensors in {stored}. {loss}",
        "",
    ]
    lines += ["Groundup did not train this model. What it learned from, and how good it is, its makers say.", ""]
    return "\n".join(lines)
