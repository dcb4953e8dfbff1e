"""`groundup evaluate --by language`."""

from __future__ import annotations

import sys

from groundup.errors import SettingError
from groundup.recipe.metrics import DEFAULT_METRICS, read_metric_names

NUM_SAMPLES = 50


def print_languages(
    model: str, by: str, data: str | None, metrics: str, num_samples: int | None, as_json: bool
) -> None:
    """Print a table with a row for each language, or one JSON object."""
    if by != "language":
        raise SettingError("by", by, "a run can be measured by language; use --by language, or leave it out")
    if data is not None:
        raise SettingError("data", data, "--by language measures the run's own held-out text; leave out --data")
    if read_metric_names(metrics) != DEFAULT_METRICS:
        raise SettingError("metrics", metrics, "--by language has figures of its own; leave out --metrics")
    num_samples = num_samples or NUM_SAMPLES
    from groundup.language_model.locate import find_model

    find_model(model)  # a wrong path is answered before anything heavy is loaded
    from groundup.cli.loading import loading

    with loading():
        from groundup.recipe.evaluate_languages import as_plain, evaluate_languages

    figures = evaluate_languages(model, num_samples, say=lambda text: print(f"groundup: {text}", file=sys.stderr))
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
            f"{one.bits_per_byte:.3f}",
            f"{one.bar:.3f}",
            f"{one.bytes_per_token:.2f}",
            f"{one.tokens_per_word:.2f}",
            *(f"{share:.0%}" for share in (one.in_language, one.copies, one.held_out_copies)),
        )
    print_table(table)
    print(f"copies: samples (of {num_samples}) with 50 characters in a row that the training text holds, too")
