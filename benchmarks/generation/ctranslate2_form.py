"""CTranslate2's own form of the model, by its converter for Hugging Face directories: folders ct2-float32 and ct2-int8."""

from __future__ import annotations

from benchmarks.generation.task import MODEL
from ctranslate2.converters import TransformersConverter  # type: ignore[import-not-found]

for quantization in ("float32", "int8"):
    TransformersConverter(str(MODEL)).convert(str(MODEL / f"ct2-{quantization}"), quantization=quantization, force=True)
