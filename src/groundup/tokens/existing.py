"""Tokenizers that are there already, in whichever form: each becomes a tokenizer.json of ours with the same ids."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from groundup.errors import TokenizerError
from groundup.text.cache import cache_directory
from groundup.text.remote import fetch_hub, is_hub_id
from groundup.tokens.sentencepiece_file import read_sentencepiece_file
from groundup.tokens.tiktoken_file import read_gpt2_files, read_tiktoken_file
from groundup.tokens.tokenizer import CONFIG_FILE, TOKENIZER_FILE, Tokenizer

GPT2_FILES = (("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe"))


HUB_FILES = (TOKENIZER_FILE, CONFIG_FILE, *(name for pair in GPT2_FILES for name in pair), "*.tiktoken", "*.model")


def find_tokenizer(name: str, folder: Path = Path(), say: Callable[[str], None] = print) -> Tokenizer:
    """The tokenizer that a setting or a command line names: a path, which begins at `folder`, or one of the hub.

    Of the hub only a tokenizer's files are fetched, into the cache; none is run. Raises `DataError` when they can't be had,
    `TokenizerError` when there is no tokenizer.
    """
    if is_hub_id(name):
        return read_tokenizer(fetch_hub(name, "model", HUB_FILES, cache_directory(), say))
    return read_tokenizer(folder / name)


def read_tokenizer(path: Path) -> Tokenizer:
    """A tokenizer of any of these: a folder with a tokenizer.json (a tokenizer's or a model's), such a file, tiktoken's
    *.tiktoken, SentencePiece's *.model, or a folder with one of these or with GPT-2's two files.

    Raises `TokenizerError` for anything else.
    """
    if path.suffix == ".tiktoken" and path.is_file():
        return read_tiktoken_file(path)
    if path.suffix == ".model" and path.is_file():
        return read_sentencepiece_file(path)
    if path.is_file():
        return Tokenizer.load(path)
    if not path.exists():
        raise TokenizerError(
            f"{path} is no file or folder here: name a folder with a {TOKENIZER_FILE}, or a *.json, *.tiktoken or *.model "
            f"file, or write hf://owner/name if it is on the Hugging Face hub"
        )
    if not (path / TOKENIZER_FILE).is_file():
        for vocabulary, merges in GPT2_FILES:
            if (path / vocabulary).is_file() and (path / merges).is_file():
                return read_gpt2_files(path / vocabulary, path / merges)
        others = sorted(file for file in path.iterdir() if file.suffix in (".tiktoken", ".model"))
        if len(others) > 1:
            raise TokenizerError(f"{path} holds {', '.join(file.name for file in others)}: name one of these files")
        if others:
            return read_tokenizer(others[0])
    return Tokenizer.load(path)
