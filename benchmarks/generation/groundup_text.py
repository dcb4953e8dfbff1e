"""Our engine, which `groundup generate` and everything else that generates goes through. STEP names its pass: PyTorch's by default, or ONNX
Runtime's with weights in fp32, int8 or int4."""

from __future__ import annotations

import os

from benchmarks.generation.task import MODEL, NEW_TOKENS, PROMPTS, THREADS, generate_in_turn

from groundup.device import set_threads
from groundup.exports.onnx_forward import OnnxForward
from groundup.exports.quantize import Quantize
from groundup.generation.generation import Generation
from groundup.generation.settings import GenerationSettings
from groundup.model.directory import load_model

set_threads(THREADS)
model = load_model(MODEL)
weights: dict[str, Quantize] = {"fp32": "", "int8": "int8", "int4": "int4"}
step = os.environ.get("STEP")
forward = OnnxForward.of_model(model, weights[step], THREADS) if step else None
settings = GenerationSettings(max_new_tokens=NEW_TOKENS, temperature=0.0)


def generate() -> list[list[int]]:
    generation = Generation(model, PROMPTS, settings, forward=forward)
    for _ in generation:
        pass
    return [text[len(prompt) :] for text, prompt in zip(generation.texts, PROMPTS, strict=True)]


generate_in_turn(generate)
