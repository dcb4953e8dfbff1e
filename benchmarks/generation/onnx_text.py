"""ONNX Runtime, with the cache handed from step to step without a copy through NumPy. FILE names the graph."""

from __future__ import annotations

import os

import numpy as np
from benchmarks.generation.task import MODEL, NEW_TOKENS, PROMPTS, THREADS, config, generate_in_turn
from onnxruntime import InferenceSession, OrtValue, SessionOptions

C = config()
options = SessionOptions()
options.intra_op_num_threads = THREADS
options.log_severity_level = 3
session = InferenceSession(
    str(MODEL / os.environ.get("FILE", "model.onnx")), options, providers=["CPUExecutionProvider"]
)
cache_names = [f"{kind}_{layer}" for layer in range(C["n_layer"]) for kind in ("key", "value")]
value = OrtValue.ortvalue_from_numpy
prompts = np.array(PROMPTS, np.int64)


def generate() -> list[list[int]]:
    ids, read = prompts, 0
    empty = np.zeros((len(ids), C["n_head"], 0, C["n_embd"] // C["n_head"]), np.float32)
    cache = [value(empty) for _ in cache_names]
    texts = []
    for _ in range(NEW_TOKENS):
        new = ids.shape[1]
        places = np.arange(read, read + new)
        mask = np.arange(read + new)[None, :] <= places[:, None]
        inputs = {"ids": value(ids), "places": value(places), "mask": value(mask)}
        inputs |= {f"past_{name}": held for name, held in zip(cache_names, cache, strict=True)}
        logits, *cache = session.run_with_ort_values(["logits", *cache_names], inputs)
        ids = logits.numpy().argmax(-1)[:, None]
        read += new
        texts.append(ids)
    rows: list[list[int]] = np.concatenate(texts, 1).tolist()
    return rows


generate_in_turn(generate)
