"""`groundup data catalog` and `groundup data get`."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from groundup.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

    from groundup.text.catalogue import CatalogueEntry, ModelEntry
    from groundup.text.texts import Text

SHOWN_LANGUAGES = 10
WIDE_TERMINAL = 200  # columns; in a narrower one the table's cells would be a few letters wide


def catalog(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON list, with each archive's file name and sha256, too.")
    ] = False,
) -> None:
    """List the catalogue: texts to train on, by the name that data.source takes, and a model.

    Examples:

        groundup data catalog

        groundup data catalog --json
    """
    import json

    from rich.table import Table

    from groundup.cli.tables import print_table
    from groundup.text.cache import cache_directory
    from groundup.text.catalogue import all_entries

    cache = cache_directory()
    rows = [_row(entry, cache) for entry in all_entries()]
    if as_json:
        print(json.dumps(rows))
        return
    cells = [_cells(row) for row in rows]
    if sys.stdout.isatty() and shutil.get_terminal_size().columns < WIDE_TERMINAL:
        table = Table(box=None, show_header=False)
        table.add_column(no_wrap=True)
        table.add_column()
        for name, what, *others in cells:
            table.add_row(name, f"{what}\n{' · '.join(filter(None, others))}")
    else:
        table = Table(box=None)
        for column in ("name", "what", "languages", "text", "fetched", "license", "origin"):
            table.add_column(column, justify="right" if column == "text" else "left", overflow="fold")
        for one in cells:
            table.add_row(*one)
    print_table(table)


def _cells(row: dict[str, Any]) -> list[str]:
    """What is shown of a row, in the order of the columns."""
    languages = ", ".join(row["languages"][:SHOWN_LANGUAGES])
    more = ", …" if len(row["languages"]) > SHOWN_LANGUAGES else ""
    size = "size varies" if row["text_bytes"] is None else f"{row['text_bytes'] / 1e6:.1f} MB"
    return [
        row["name"],
        row["description"],
        f"{languages}{more}",
        size if row["kind"] == "text" else "a model",
        "fetched" if row["fetched"] else f"to fetch: {row['download_bytes'] / 1e6:.1f} MB",
        row["license"],
        row["origin"],
    ]


def _row(entry: CatalogueEntry | ModelEntry, cache: Path) -> dict[str, Any]:
    from groundup.text.catalogue import CatalogueEntry
    from groundup.text.fetch import is_fetched

    row: dict[str, Any] = {"name": entry.name, "kind": "model", "description": entry.description}
    row |= {"languages": [], "documents": None, "text_bytes": None}
    if isinstance(entry, CatalogueEntry):
        row |= {"kind": "text", "languages": list(entry.languages)}
        row |= {"documents": entry.documents, "text_bytes": entry.text_bytes}
    return row | {
        "download_bytes": entry.archive_bytes,
        "fetched": is_fetched(entry, cache),
        "license": entry.license,
        "origin": entry.requirement.replace("==", " ") or entry.origin,
        "archive": entry.file_name,
        "sha256": entry.sha256,
    }


def get(
    name: Annotated[str, typer.Argument(help="What `groundup data catalog` calls it.")],
    output: Annotated[
        Path | None, typer.Option(help="A folder to write it to: a text as NAME.jsonl, a model as its file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Fetch a text or model of the catalogue, verify it, and say what it is.

    Example:

        groundup data get factbook --output ./texts
    """
    import json

    from rich.table import Table

    from groundup.cli.tables import print_table
    from groundup.text.cache import cache_directory
    from groundup.text.catalogue import CatalogueEntry, find_entry

    entry = find_entry(name)
    if output is not None and output.exists() and not output.is_dir():
        raise DataError(f"--output {output} is a file: name a folder")
    facts: dict[str, Any] = {"name": entry.name, "what": entry.description}
    if isinstance(entry, CatalogueEntry):
        facts |= _get_text(entry, cache_directory(), output)
    else:
        facts |= _get_model(entry, cache_directory(), output)
    facts |= {"license": entry.license, "origin": entry.origin, "sha256 of the archive": entry.sha256 or None}
    if as_json:
        print(json.dumps({key.replace(" ", "_"): value for key, value in facts.items()}))
        return
    table = Table(box=None, show_header=False)
    table.add_column()
    table.add_column(overflow="fold")
    for key, value in facts.items():
        table.add_row(key, _shown(value))
    print_table(table)
    if isinstance(entry, CatalogueEntry):
        recipe = "instruct" if entry.conversations else "shakespeare"
        print(f"train on it with:  groundup train {recipe} data.source={entry.name} --run runs/{entry.name}")


def _get_text(entry: CatalogueEntry, cache: Path, output: Path | None) -> dict[str, Any]:
    """Fetch and read a text; write it when a folder is named."""
    from collections import Counter

    from groundup.text.fetch import fetch

    target = _free(output, f"{entry.name}.jsonl")
    with _waiting(f"fetching {entry.name}") as say:
        path = fetch(entry, cache, say)
    with _waiting(f"reading {entry.name}"):
        texts = entry.reader(path)
        languages: Counter[str] = Counter()
        for text in texts:
            languages[text.metadata.get("language", "")] += len(text.text.encode())
        if target is not None:
            _write_rows(entry, texts, target)
    facts: dict[str, Any] = {
        "documents": len(texts),
        "text bytes": languages.total(),
        "bytes by language": {language: count for language, count in languages.most_common() if language},
        "archive": str(path),
    }
    return facts if target is None else {**facts, "written to": str(target)}


def _get_model(entry: ModelEntry, cache: Path, output: Path | None) -> dict[str, Any]:
    """Fetch and unpack a model; copy it when a folder is named."""
    from groundup.files import replacing
    from groundup.text.fetch import fetch_model

    target = _free(output, Path(entry.member).name)
    with _waiting(f"fetching {entry.name}") as say:
        path = fetch_model(entry, cache, say)
        if target is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
            with path.open("rb") as source, replacing(target) as file:
                shutil.copyfileobj(source, file)
    facts = {"bytes": entry.member_bytes, "sha256": entry.member_sha256, "file": str(path)}
    return facts if target is None else {**facts, "written to": str(target)}


def _free(folder: Path | None, name: str) -> Path | None:
    """The file to write in the folder; one that is there already is not overwritten."""
    if folder is None:
        return None
    if (folder / name).exists():
        raise DataError(f"{folder / name} is there already: move it away, or name another folder with --output")
    return folder / name


def _write_rows(entry: CatalogueEntry, texts: list[Text], target: Path) -> None:
    """One JSON object a line: id, text (or a conversation's messages), source, license, and what else is known of each text."""
    import json

    from groundup.files import replacing

    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as file:
        for text in texts:
            content = {"text": text.text} if text.row is None else text.row
            row = {"id": f"{entry.name}/{text.name}", **content, "source": entry.name, "license": entry.license}
            file.write(json.dumps({**row, **text.metadata}, ensure_ascii=False).encode() + b"\n")


def _shown(value: Any) -> str:
    if value is None:
        return "none: it is read where it lies"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {count:,}" for key, count in value.items()) or "not a human language"
    return str(value)


@contextmanager
def _waiting(what: str) -> Iterator[Callable[[str], None]]:
    """A sign of life on a terminal while something takes its time; gives a function that says a line above it."""
    from rich.console import Console

    console = Console(stderr=True, markup=False, highlight=False, emoji=False)
    with console.status(f"{what} …"):
        yield lambda text: console.print(f"groundup: {text}", soft_wrap=True)
