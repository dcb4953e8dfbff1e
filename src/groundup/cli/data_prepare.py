"""`groundup data prepare` and `groundup data inspect`."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from groundup.cli.loading import told_when_stopped
from groundup.errors import DataError

if TYPE_CHECKING:
    from groundup.text.settings import DataSettings

ROWS_OF_STANDARD_INPUT = ("-.jsonl",)
SETTING = re.compile(r"data\.[a-z0-9_.]+\s*=", re.ASCII)
SOURCES_HELP = "Files, folders, glob patterns, catalogue names, `-` for standard input; and settings, data.key=value."
JSON = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


class SourcesCommand(TyperCommand):
    """A command among whose arguments may be `-.jsonl`, standard input with rows, which looks like an option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Such sources go to the end, behind `--`."""
        rows = [argument for argument in args if argument in ROWS_OF_STANDARD_INPUT]
        if rows and "--" not in args:
            args = [*(argument for argument in args if argument not in rows), "--", *rows]
        return super().parse_args(ctx, args)


def prepare(
    sources: Annotated[list[str], typer.Argument(help=SOURCES_HELP, show_default=False)],
    output: Annotated[Path, typer.Option(help="The folder to write, new or empty.")],
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out and count what can't be read.")] = False,
    as_json: JSON = False,
) -> None:
    """Clean text: mend it, remove duplicates and personal data, and say what was done, in a folder to train on.

    Each step is a setting, and off when it is set so: data.privacy.mode=none, data.duplicates.near=off. docs/data.md lists them.

    Example:

        groundup data prepare ./my-texts --output ./clean
        groundup train shakespeare data.source=./clean
    """
    from groundup.recipe.prepare_text import prepare_text
    from groundup.report.data_page import PAGE
    from groundup.text.prepared_folder import require_new_folder

    require_new_folder(output)
    with told_when_stopped(output, "; the same command goes on from what was done"):
        facts = prepare_text(_settings(sources, skip_bad), output, say=_say)
    (_print_json if as_json else _print)(facts)
    if facts["funnel"][-1]["documents"] == 0:
        raise DataError(
            f"nothing is left of the {facts['funnel'][0]['documents']:,} documents that were read: {output / 'removed.jsonl'} says "
            "why each was dropped; loosen that rule or switch it off"
        )
    if not as_json:
        print(f"{output}: documents-*.jsonl to train on (data.source={output}), removed.jsonl, {PAGE} to look at")


def inspect(
    sources: Annotated[list[str], typer.Argument(help="As `prepare` takes them, or a folder that it wrote.")],
    page: Annotated[Path | None, typer.Option(help="Also write an offline page to this file.")] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out and count what can't be read.")] = False,
    as_json: JSON = False,
) -> None:
    """What a text is made of: sources, licenses, languages, lengths, groups of people; of prepared text, what was done to it, too.

    Example:

        groundup data inspect ./clean --page clean.html
    """
    from groundup.recipe.prepare_text import inspect_text
    from groundup.report.data_page import write_data_page
    from groundup.text.prepared_file import is_prepared, read_prepared

    if len(sources) == 1 and is_prepared(Path(sources[0])):
        facts = read_prepared(Path(sources[0]))
    else:
        facts = inspect_text(_settings(sources, skip_bad, standard=False), say=_say)
    if page is not None:
        write_data_page(Path(sources[0]), facts, page)
    if as_json:
        _print_json(facts)
    else:
        _print(facts)


def _settings(arguments: list[str], skip_bad: bool, standard: bool = True) -> DataSettings:
    """Sources and overrides as settings, over those of `data prepare`."""
    from groundup.config import build, merge, parse_overrides
    from groundup.recipe.prepare_text import STANDARD
    from groundup.recipe.settings import Recipe
    from groundup.text.settings import DataSettings

    overrides = parse_overrides(Recipe, [one for one in arguments if SETTING.match(one)])
    sources = [one for one in arguments if not SETTING.match(one)]
    if not sources and "source" not in overrides.get("data", {}):
        raise DataError("no source is named: name files, folders, a glob pattern or a catalogue entry")
    named = {"source": sources[0] if len(sources) == 1 else sources} if sources else {}
    skipping = {"skip_bad": True} if skip_bad else {}
    values = merge(DataSettings, STANDARD if standard else {}, overrides.get("data", {}), named, skipping)
    return build(DataSettings, values, "data.")


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _print_json(facts: Mapping[str, Any]) -> None:
    import json

    print(json.dumps(facts, ensure_ascii=False))


def _print(facts: Mapping[str, Any]) -> None:
    """The tables."""
    from rich.table import Table

    from groundup.cli.tables import print_table
    from groundup.report.data_page import composition_rows, happened_rows

    if facts.get("funnel"):
        table = Table("step", box=None)
        for column in ("documents", "characters"):
            table.add_column(column, justify="right")
        for row in facts["funnel"]:
            table.add_row(row["step"], f"{row['documents']:,}", f"{row['characters']:,}")
        print_table(table)
    happened = happened_rows(facts)
    if happened:
        table = Table("what was done, and why", box=None)
        table.add_column("count", justify="right")
        table.add_column("for example", overflow="fold")
        for row in happened:
            example = row.examples[0] if row.examples else {}
            shown = ": ".join(filter(None, (example.get("id"), example.get("detail"))))
            table.add_row(f"{row.kind}: {row.what}", f"{row.count:,}", shown)
        print()
        print_table(table)
    for title, rows in composition_rows(facts):
        table = Table(title, box=None)
        table.add_column("", justify="right")
        table.add_column("share", justify="right")
        for name, value, share in rows:
            table.add_row(name, value, f"{share:.1%}")
        print()
        print_table(table)
