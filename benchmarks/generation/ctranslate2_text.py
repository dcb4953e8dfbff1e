"""CTranslate2's generator. FOLDER names the converted form. It speaks in the tokens' texts."""

from __future__ import annotations

import os

from benchmarks.generation.task import MODEL, NEW_TOKENS, PROMPTS, THREADS, generate_in_turn
from benchmarks.generation.token_text import token_text
from ctranslate2 import Generator  # type: ignore[import-not-found]

folder = os.environ.get("FOLDER", "ct2-float32")
generator = Generator(
    str(MODEL / folder), device="cpu", compute_type=folder.removeprefix("ct2-"), inter_threads=1, intra_threads=THREADS
)
prompts = [[token_text(number) for number in prompt] for prompt in PROMPTS]


def generate() -> list[list[int]]:
    results = generator.generate_batch(
        prompts, max_length=NEW_TOKENS, sampling_topk=1, end_token=[], include_prompt_in_result=False
    )
    return [list(result.sequences_ids[0]) for result in results]


generate_in_turn(generate)
