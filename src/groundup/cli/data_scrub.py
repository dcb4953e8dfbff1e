"""`groundup data scrub`: personal data out of a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from groundup.text.privacy.settings import KINDS, Kind, Mode, Names, PrivacySettings

if TYPE_CHECKING:
    from groundup.text.privacy.files import Report

SHOWN_KEYS = 8
DEFAULTS = PrivacySettings("placeholder")


def scrub(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help='A .jsonl file, rows with "text"; or a .txt or .md file.')
    ],
    output: Annotated[Path, typer.Option(help="The file to write, which must not be there yet.")],
    mode: Annotated[
        Mode,
        typer.Option(help="placeholder: <EMAIL>; redact: nothing; pseudonym: a stand-in; drop: the whole row; none."),
    ] = DEFAULTS.mode,
    kinds: Annotated[str, typer.Option(help="What to look for, with commas between.")] = ",".join(KINDS),
    names: Annotated[
        Names,
        typer.Option(help="Persons' names: off; context: after titles, greetings and the like; model: spaCy's, too."),
    ] = DEFAULTS.names,
    names_model: Annotated[str, typer.Option(help="The spaCy pipeline of --names model.")] = DEFAULTS.names_model,
    key_variable: Annotated[
        str,
        typer.Option(help="The environment variable with the key of --mode pseudonym, or with the path of its file."),
    ] = DEFAULTS.key_variable,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out rows that can't be read, and count them.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Replace personal data: addresses of all kinds, telephone numbers, cards, accounts, national numbers, births, secrets, names.

    Example:

        groundup data scrub letters.jsonl --output clean.jsonl
    """
    import json
    from dataclasses import asdict

    from groundup.text.privacy.files import scrub_file
    from groundup.text.privacy.pseudonyms import read_key

    settings = PrivacySettings(
        mode=mode,
        kinds=cast(tuple[Kind, ...], tuple(kind.strip() for kind in kinds.split(",") if kind.strip())),  # checked there
        names=names,
        names_model=names_model,
        key_variable=key_variable,
    )
    key = read_key(settings.key_variable) if mode == "pseudonym" else b""
    report = scrub_file(source, output, settings, key, skip_bad)
    if as_json:
        print(json.dumps(asdict(report), ensure_ascii=False))
    else:
        _print(report, output)


def _print(report: Report, output: Path) -> None:
    from rich.table import Table

    from groundup.cli.tables import print_table

    if report.found:
        table = Table("kind", "found", "in rows", "examples (their shape alone)", box=None)
        for kind, count in sorted(report.found.items(), key=lambda each: -each[1]):
            table.add_row(kind, f"{count:,}", f"{report.rows_with[kind]:,}", "   ".join(report.examples.get(kind, [])))
        print_table(table)
    else:
        print("no personal data was found")
    parts = [f"{report.rows:,} rows read", f"{report.changed:,} changed"]
    parts += [f"{report.dropped:,} dropped"] if report.dropped else []
    if report.skipped:
        lines = ", ".join(map(str, report.skipped_lines))
        parts.append(
            f"{report.skipped:,} that can't be read left out (line {lines}{', …' if report.skipped > len(report.skipped_lines) else ''})"
        )
    print(f"{', '.join(parts)}: {output}")
    if report.other_keys:
        names = ", ".join(report.other_keys[:SHOWN_KEYS]) + (", …" if len(report.other_keys) > SHOWN_KEYS else "")
        print(f'only "text" was looked into; other keys are as they were: {names}')
