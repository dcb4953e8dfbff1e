"""tiktoken, with the merges of bpe.json: its own encodings would have to be fetched."""

from __future__ import annotations

import json
import os

import tiktoken
from benchmarks.tokenizing.letters import bytes_of_letters
from benchmarks.tokenizing.task import FOLDER, TEXTS, encode_in_turn

GPT2_PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"""


letters = bytes_of_letters()
vocabulary = json.loads((FOLDER / "bpe.json").read_text(encoding="utf-8"))["model"]["vocab"]
ranks = {bytes(letters[letter] for letter in token): number for token, number in vocabulary.items()}
encoding = tiktoken.Encoding("text", pat_str=GPT2_PATTERN, mergeable_ranks=ranks, special_tokens={})
threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def encode() -> list[list[int]]:
    ids: list[list[int]] = (
        [encoding.encode_ordinary(TEXTS[0])]
        if len(TEXTS) == 1
        else encoding.encode_ordinary_batch(TEXTS, num_threads=threads)
    )
    return ids


encode_in_turn(encode)
