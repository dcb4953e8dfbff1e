"""llama.cpp through its Python wheel: all prompts in one request, a slot each. FILE names the GGUF file.

It gives text; tokens have four letters each, so the ids are read off it. It may not remember a prompt from the round before.
"""

from __future__ import annotations

import os

import xllamacpp
from benchmarks.generation.task import MODEL, NEW_TOKENS, PROMPTS, THREADS, generate_in_turn
from benchmarks.generation.token_text import token_number

params = xllamacpp.CommonParams()
params.model.path = str(MODEL / os.environ.get("FILE", "model-f32.gguf"))
params.n_parallel = len(PROMPTS)
params.n_ctx = 256 * len(PROMPTS)
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = THREADS
params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32  # half precision would change tokens
params.cache_prompt = False
params.cache_ram_mib = 0
params.sampling.ignore_eos = True
params.verbosity = 0
server = xllamacpp.Server(params)
request = {
    "prompt": PROMPTS,
    "max_tokens": NEW_TOKENS,
    "temperature": 0.0,
    "samplers": ["top_k"],  # the likeliest token and nothing else: the usual chain of samplers would cost time
    "top_k": 1,
    "ignore_eos": True,
    "cache_prompt": False,
}


def generate() -> list[list[int]]:
    choices = server.handle_completions(request)["choices"]
    texts = [choice["text"] for choice in sorted(choices, key=lambda choice: int(choice["index"]))]
    return [[token_number(text[i : i + 4]) for i in range(0, len(text), 4)] for text in texts]


generate_in_turn(generate)
