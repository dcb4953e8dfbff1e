"""`groundup export`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from groundup.cli.generate import MODEL_HELP
from groundup.cli.loading import loading


def export(
    model: Annotated[str, typer.Argument(help=MODEL_HELP)],
    to: Annotated[
        str,
        typer.Option(help="hf: a Hugging Face directory; onnx: a graph for ONNX Runtime; gguf: a file for llama.cpp."),
    ],
    output: Annotated[str, typer.Option(help="The folder to write: a new one, or an empty one.")],
    quantize: Annotated[
        str, typer.Option(help="int8 or int4: whole numbers for the weights, of onnx and gguf.", show_default=False)
    ] = "",
    dtype: Annotated[
        str, typer.Option(help="The weights' number format: float32, of hf and gguf also float16, of hf bfloat16.")
    ] = "float32",
    as_json: Annotated[bool, typer.Option("--json", help="Print the certificate as one JSON object.")] = False,
) -> None:
    """Write a model in another form, and prove that it gives the same numbers.

    The same texts go through the training graph, the engine, and the programs that read what was written, as far as they are
    installed (transformers, ONNX Runtime, llama.cpp as xllamacpp). How far they are apart is written beside the export, in
    parity.json; an export outside its bound (docs/exports.md) is not written.

    Examples:

        groundup export runs/shakespeare --to gguf --quantize int8 --output shakespeare-gguf

        groundup export runs/shakespeare --to onnx --output shakespeare-onnx
    """
    from groundup.language_model.locate import find_model

    find_model(model)  # a wrong path is answered before anything heavy is loaded
    with loading():
        from groundup.recipe.export import export as export_model

    certificate = export_model(
        model,
        to,
        output,
        quantize,  # type: ignore[arg-type]  # which names there are, it says
        dtype,
        say=lambda line: print(f"groundup: {line}", file=sys.stderr),
    )
    if as_json:
        import json

        print(json.dumps(certificate))
        return
    _print(certificate)
    print(f"\nwritten to {output} ({certificate['bytes']:,} bytes); the certificate is its parity.json")


def _print(certificate: Mapping[str, Any]) -> None:
    from rich.table import Table

    from groundup.cli.tables import print_table

    table = Table(box=None, header_style="")
    table.add_column("")
    for heading in ("max error", "mean error", "KL", "same choice", "perplexity", "tokens/s"):
        table.add_column(heading, justify="right")
    reference, *others = certificate["ways"]
    table.add_row(reference["way"], *["–"] * 6)
    for row in others:
        speed = row["tokens_per_second"]
        table.add_row(
            row["way"],
            f"{row['max_error']:.1e}",
            f"{row['mean_error']:.1e}",
            f"{row['kl']:.1e}",
            f"{row['greedy_agreement']:.1%}",
            f"{row['perplexity_change']:+.3%}",
            "–" if speed is None else f"{speed:,.0f}",
        )
    print_table(table)
    for who, why in certificate["not_compared"].items():
        print(f"not compared with {who}: {why}")
