"""`groundup evaluate --by language`."""

from __future__ import annotations

import sys

from groundup.cli.loading import loading
from groundup.cli.under_way import under_way

NUM_SAMPLES = 50


def print_languages(model: str, num_samples: int | None, as_json: bool) -> None:
    """Print a table with a row for each language, or one JSON object."""
    num_samples = num_samples or NUM_SAMPLES
    with loading():
        from groundup.recipe.evaluate_languages import as_plain, evaluate_languages

    with under_way() as begin:
        figures = evaluate_languages(
            model, num_samples, lambda text: print(f"groundup: {text}", file=sys.stderr), begin
        )
    if as_json:
        import json

        print(json.dumps(as_plain(figures), ensure_ascii=False, indent=1))
        return
    from rich.table import Table

    from groundup.cli.tables import print_table

    table = Table(box=None)
    columns = ("language", "bytes", "bits per byte", "best n-gram", "bytes a token", "tokens a word")
    for column in (*columns, "in the language", "copies", "held-out copies"):
        table.add_column(column, justify="left" if column == "language" else "right")
    for language, one in figures.items():
        table.add_row(
            language,
            f"{one.bytes:,}",
            f"{one.bits_per_byte:.3f} ({one.intervals['bits_per_byte'].low:.3f} to {one.intervals['bits_per_byte'].high:.3f})",
            f"{one.bar:.3f}",
            f"{one.bytes_per_token:.2f}",
            f"{one.tokens_per_word:.2f}",
            *(f"{share:.0%}" for share in (one.in_language, one.copies, one.held_out_copies)),
        )
    print_table(table)
    print("bits per byte: with its interval of 95 %, over documents")
    print(f"copies: samples (of {num_samples}) with 50 characters in a row that the training text holds, too")
