"""Our engine, which `groundup generate` and everything else that generates goes through."""

from __future__ import annotations

from benchmarks.generation.task import MODEL, NEW_TOKENS, PROMPTS, THREADS, generate_in_turn

from groundup.device import set_threads
from groundup.generation.engine import Generation
from groundup.generation.settings import GenerationSettings
from groundup.model.directory import load_model

set_threads(THREADS)
model = load_model(MODEL)
settings = GenerationSettings(max_new_tokens=NEW_TOKENS, temperature=0.0)


def generate() -> list[list[int]]:
    generation = Generation(model, PROMPTS, settings)
    for _ in generation:
        pass
    return [text[len(prompt) :] for text, prompt in zip(generation.texts, PROMPTS, strict=True)]


generate_in_turn(generate)
