"""`groundup labels`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.text import Text

LONGEST_SHOWN, AT_THE_END = 240, 60  # tokens of a row in the terminal, and how many of them from its end
BAR = 40


def labels(
    recipe: Annotated[str, typer.Argument(help="A shipped recipe's name, a TOML file, or a run's folder.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Settings to change, as section.key=value.", show_default=False)
    ] = None,
    rows: Annotated[int, typer.Option(min=0, max=1000, help="How many rows to show token by token.")] = 3,
    output: Annotated[Path | None, typer.Option(help="Also write an offline page to this file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show what a recipe would learn before its first step: which tokens carry loss, which are masked, cropped or dropped.

    Fails as training would: when no row teaches anything, or none where an answer ends.

    Example:

        groundup labels my-recipe.toml --output labels.html
    """
    from groundup.errors import DataError
    from groundup.recipe.labels import inspect_labels
    from groundup.recipe.settings import default_run, load_recipe, sources_folder
    from groundup.run.directory import RunDirectory

    settings = load_recipe(recipe, overrides or [])
    folder = sources_folder(recipe, RunDirectory(default_run(recipe)))
    found = inspect_labels(settings, recipe, folder, rows, say=_say)
    if output is not None:
        from groundup.report.labels_page import write_labels_page

        write_labels_page(found, output)
    if as_json:
        import json

        print(json.dumps(found, ensure_ascii=False))
    else:
        _show(found)
        if output is not None:
            print(f"\npage  {output}")
    if found["problem"]:
        raise DataError(found["problem"])


def _say(line: str) -> None:
    print(f"groundup: {line}", file=sys.stderr)


def _show(found: Mapping[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    from groundup.cli.tables import print_table
    from groundup.report.labels_page import figures, length_rows

    console = Console(markup=False, highlight=False, emoji=False, soft_wrap=not sys.stdout.isatty())
    for example in found["shown"]:
        for row in example["rows"]:
            name = f", {row['name']}" if row["name"] else ""
            console.print(f"{example['name']}{name}: {row['learned']:,} of {len(row['tokens']):,} tokens carry loss")
            console.print(_tokens(row["tokens"]), soft_wrap=not sys.stdout.isatty())
            console.print()
    if found["shown"]:
        console.print("‹…› a token that carries loss; all else is read only. ↵ ends a line.\n")
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for title, value, means in figures(found):
        table.add_row(title, value, means)
    print_table(table)
    if found["done"]:
        table = Table("what was done", box=None, padding=(0, 2, 0, 0))
        table.add_column("rows", justify="right")
        table.add_column("first of them", overflow="fold")
        for done in found["done"]:
            table.add_row(f"{done['kind']}: {done['what']}", f"{done['count']:,}", "; ".join(done["places"]))
        print()
        print_table(table)
    table = Table("tokens", box=None, padding=(0, 2, 0, 0))
    table.add_column("rows", justify="right")
    table.add_column("")
    most = max((count for _, count, _ in length_rows(found)), default=1)
    for label, count, _ in length_rows(found):
        table.add_row(label, f"{count:,}", "#" * -(-BAR * count // max(1, most)))
    print()
    print_table(table)
    if found["note"]:
        print(f"\n{found['note']}")


def _tokens(tokens: list[tuple[int, str, bool, bool]]) -> Text:
    """A row as text: learned tokens bracketed, underlined and green, special ones cyan, the rest dim; a long one's middle is left out."""
    from rich.text import Text

    from groundup.report.values import visible

    shown = Text()
    left_out = len(tokens) - LONGEST_SHOWN
    begin = LONGEST_SHOWN - AT_THE_END
    for place, (_, text, learned, special) in enumerate(tokens):
        if left_out > 0 and begin <= place < begin + left_out:
            if place == begin:
                shown.append(f"\n… {left_out:,} more tokens …\n")
            continue
        if not text:
            continue
        said = visible(text)
        if learned:
            shown.append("‹").append(said, "bold cyan underline" if special else "bold green underline").append("›")
        else:
            shown.append(said, "cyan" if special else "dim")
        if text.endswith("\n"):
            shown.append("\n")
    shown.rstrip()
    return shown
