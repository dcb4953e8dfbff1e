"""Tokenizers that are there already, in whichever form: each becomes a tokenizer.json of ours with the same ids."""

from __future__ import annotations

from pathlib import Path

from groundup.errors import TokenizerError
from groundup.tokens.sentencepiece_file import read_sentencepiece_file
from groundup.tokens.tiktoken_file import read_gpt2_files, read_tiktoken_file
from groundup.tokens.tokenizer import TOKENIZER_FILE, Tokenizer

GPT2_FILES = (("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe"))


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
            f"file (tokenizers are not fetched from a hub: download one first)"
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
