"""Generating text, greedily and from the same weights: who writes how many tokens a second, and with how much memory.

    .venv/bin/python -m benchmarks.generation.run [--nanogpt ../nanoGPT] [--shapes characters,124M] [--batches 1,16] [--quick]

Every contender reads the same Hugging Face directory, or a form converted from it (the conversion isn't measured). The tokens that
each gives are compared with ours: in fp32 they must be the same, or the figure is of another model. A contender's figure is the
median over the rounds of its speed divided by that of transformers' `generate` in the same round.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.contender import Program, measure, prepare, start_all
from benchmarks.environment import Unavailable
from benchmarks.generation.weights import PROMPT_TOKENS, SHAPES, Shape, make_model, prompts
from benchmarks.result import compared, nanogpt_checkout, output_file, show, wait_until_quiet, write

HERE = "benchmarks.generation"
OURS, BASE, NANOGPT = "Groundup", "transformers generate", "nanoGPT generate"
FORMS = {"onnxruntime": "onnx_graph", "ctranslate2": "ctranslate2_form", "llamacpp": "gguf_file"}  # by environment
PROGRAMS = {
    BASE: Program(f"{HERE}.transformers_text", "transformers"),
    NANOGPT: Program(f"{HERE}.nanogpt_text"),
    "ONNX Runtime, fp32": Program(f"{HERE}.onnx_text", "onnxruntime", {"FILE": "model.onnx"}),
    "ONNX Runtime, int8": Program(f"{HERE}.onnx_text", "onnxruntime", {"FILE": "model-int8.onnx"}),
    "CTranslate2, fp32": Program(f"{HERE}.ctranslate2_text", "ctranslate2", {"FOLDER": "ct2-float32"}),
    "CTranslate2, int8": Program(f"{HERE}.ctranslate2_text", "ctranslate2", {"FOLDER": "ct2-int8"}),
    "llama.cpp, f32": Program(f"{HERE}.llamacpp_text", "llamacpp", {"FILE": "model-f32.gguf"}),
    "llama.cpp, q8_0": Program(f"{HERE}.llamacpp_text", "llamacpp", {"FILE": "model-q8_0.gguf"}),
    OURS: Program(f"{HERE}.groundup_text"),
    f"{OURS}, ONNX step": Program(f"{HERE}.groundup_text", variables={"STEP": "fp32"}),
    f"{OURS}, ONNX step, int8": Program(f"{HERE}.groundup_text", variables={"STEP": "int8"}),
    f"{OURS}, ONNX step, int4": Program(f"{HERE}.groundup_text", variables={"STEP": "int4"}),
}
QUANTIZED = ("int8", "q8_0", "int4")
PAUSE = 0.3  # CTranslate2's threads go on spinning for a fifth of a second after their work


def convert(programs: dict[str, Program], folder: Path, left_out: dict[str, str]) -> dict[str, Program]:
    """Write the forms that the contenders need; those whose form can't be written are left out."""
    here = dict(programs)
    for environment, module in FORMS.items():
        needing = [name for name, program in here.items() if program.environment == environment]
        try:
            if needing:
                prepare(Program(f"{HERE}.{module}", environment), {"model": str(folder)})
        except Unavailable as error:
            for name in needing:
                left_out[name] = str(error)
                del here[name]
    return here


def same_share(ours: list[list[int]], theirs: list[list[int]]) -> float:
    """Which share of the tokens comes before the first that differs from ours, over all rows."""
    same = 0
    for our_row, their_row in zip(ours, theirs, strict=True):
        differs = [a != b for a, b in zip(our_row, their_row, strict=False)]
        same += differs.index(True) if True in differs else min(len(our_row), len(their_row))
    return round(same / sum(map(len, ours)), 3)


def one_setting(
    shape: Shape, batch: int, rounds: int, folder: Path, programs: dict[str, Program], left_out: dict[str, str]
) -> dict[str, Any]:
    """A table: the network and the batch size fixed."""
    if batch > 1 and shape.network["num_layers"] > 4 and NANOGPT in programs:
        programs = {name: program for name, program in programs.items() if name != NANOGPT}
        left_out[NANOGPT] = "without a cache it would take minutes a round here"
    task = {
        "model": str(folder),
        "prompts": prompts(batch, shape.network["vocab_size"]),
        "new_tokens": shape.new_tokens,
    }
    contenders = start_all(programs, task, left_out, telling=True)
    ids = {contender.name: contender.told["ids"] for contender in contenders}
    contenders = measure(contenders, rounds, 1, left_out, warm_up=0, pause=PAUSE)
    by_name = {contender.name: contender for contender in contenders}
    if not {BASE, OURS} <= by_name.keys():
        sys.exit(f"{BASE} or {OURS} can't be measured: {left_out}")
    rows = []
    for contender in contenders:
        share = same_share(ids[OURS], ids[contender.name])
        row: dict[str, Any] = {
            "name": contender.name,
            **compared(by_name[BASE].seconds, contender.seconds, "times_transformers"),
        }
        row["tokens_per_second"] = round(batch * shape.new_tokens / statistics.median(contender.seconds), 1)
        row["peak_rss_mb"] = round(contender.peak_rss / 1e6)
        row["tokens_same_as_ours"] = share
        if share < 1 and not contender.name.endswith(QUANTIZED):
            row["warning"] = "not all of its tokens are ours: another rounding at a near tie, or another model"
        rows.append(row)
    title = f"{shape.title}, batch {batch}"
    return {
        "title": title,
        "base": BASE,
        "batch": batch,
        "new_tokens": shape.new_tokens,
        "rounds": rounds,
        "rows": rows,
        "left_out": left_out,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Generation speed, beside transformers, llama.cpp and others.")
    parser.add_argument("--nanogpt", type=nanogpt_checkout, help="a checkout of nanoGPT")
    parser.add_argument("--shapes", default=",".join(SHAPES), help="by commas")
    parser.add_argument("--batches", default="1,16", help="by commas")
    parser.add_argument("--quick", action="store_true", help="two rounds each")
    parser.add_argument("--output", type=output_file)
    arguments = parser.parse_args()
    names = arguments.shapes.split(",")
    if unknown := set(names) - set(SHAPES):
        parser.error(f"no shape is called {min(unknown)!r}; there are: {', '.join(SHAPES)}")
    programs = dict(PROGRAMS)
    if arguments.nanogpt:
        programs[NANOGPT] = Program(
            PROGRAMS[NANOGPT].module, "transformers", {"NANOGPT": str(arguments.nanogpt.resolve())}
        )
    else:
        del programs[NANOGPT]
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # for every contender that has ONNX Runtime in it
    busy_before = wait_until_quiet()
    tables = []
    columns = {
        "name": "",
        "times_transformers": "x transformers",
        "half_of_rounds": "half of the rounds",
        "tokens_per_second": "tokens/s",
        "peak_rss_mb": "peak RSS, MB",
        "tokens_same_as_ours": "same tokens as ours",
    }
    for name in names:
        shape = SHAPES[name]
        with tempfile.TemporaryDirectory() as folder:
            make_model(shape, Path(folder))
            lacking = {} if arguments.nanogpt else {NANOGPT: "no checkout was given (--nanogpt)"}
            ready = convert(programs, Path(folder), lacking)
            for batch in map(int, arguments.batches.split(",")):
                rounds = 2 if arguments.quick else shape.rounds.get(batch, 3)
                table = one_setting(shape, batch, rounds, Path(folder), ready, dict(lacking))
                show(table["title"], columns, table["rows"], table["left_out"])
                tables.append({"name": f"{name}-batch-{batch}", **table})
    facts = {"prompt_tokens": PROMPT_TOKENS, "decoding": "greedy", "tables": tables}
    write(arguments.output, f"{HERE}.run", busy_before, facts)


if __name__ == "__main__":
    main()
