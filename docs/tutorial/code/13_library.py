"""A run in the forms that other programs read, each with its certificate."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

from gossip import village_run

from groundup.cli.main import app

run = village_run()


def export(form: str, quantize: str) -> tuple[Path, dict[str, Any]]:
    """What `groundup export RUN --to FORM --quantize BITS --output FOLDER` writes, and its certificate."""
    output = run.parent / f"village-{form}-{quantize or 'float32'}"
    command = ["export", str(run), "--to", form, "--output", str(output)]
    command += ["--quantize", quantize] if quantize else []
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        app(command, standalone_mode=False)
    return output, json.loads((output / "parity.json").read_text(encoding="utf-8"))


print("            share of                      largest     same   perplexity")
print("export     the bytes   run by               error   choice     moves by")
ways, size_of = {}, {}
for form, quantize in (("onnx", ""), ("onnx", "int8"), ("onnx", "int4"), ("gguf", "int8")):
    output, certificate = export(form, quantize)
    ways[form, quantize] = {way["way"]: way for way in certificate["ways"]}
    program = "ONNX Runtime" if form == "onnx" else "llama.cpp"
    size_of[form, quantize] = certificate["bytes"]
    rows = [(f"{form} {quantize}", f"{certificate['bytes'] / size_of['onnx', '']:.0%}", program)]
    if not quantize:
        rows = [("none", "", "batched engine"), *rows]
    for what, size, name in rows:
        way = ways[form, quantize][name]
        error = f"{way['max_error']:.1f}" if way["max_error"] < 0.5 else "over 0.5"
        figures = f"{error:>10}{way['greedy_agreement']:9.0%}{abs(way['perplexity_change']):13.1%}"
        print(f"{what:10}{size:>10}   {name:14}{figures}")
print(f"\n{output.name}/ holds {', '.join(sorted(path.name for path in output.iterdir()))}")

assert ways["onnx", ""]["ONNX Runtime"]["max_error"] < 1e-3
assert ways["onnx", "int8"]["ONNX Runtime"]["kl"] < ways["onnx", "int4"]["ONNX Runtime"]["kl"]
