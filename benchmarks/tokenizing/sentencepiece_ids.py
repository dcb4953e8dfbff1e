"""sentencepiece, with the unigram model trained on the text."""

from __future__ import annotations

import os

import sentencepiece
from benchmarks.tokenizing.task import FOLDER, TEXTS, encode_in_turn

processor = sentencepiece.SentencePieceProcessor(model_file=str(FOLDER / "sentencepiece.model"))
threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def encode() -> list[list[int]]:
    ids: list[list[int]] = processor.encode(TEXTS, num_threads=threads)
    return ids


encode_in_turn(encode)
