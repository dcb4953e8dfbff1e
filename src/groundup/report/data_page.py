"""What happened to a text, and what it is made of, as one offline page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundup.files import replacing
from groundup.report.pages import html_templates, read_template, size
from groundup.text.composition import length_classes

PAGE = "report.html"
"""The page's name within a prepared folder."""
MOST_ROWS = 30
SUFFIXES_NAMED = 8

Row = tuple[str, str, float]
"""A name, its figure, its share of all."""


@dataclass(frozen=True)
class Happened:
    """One thing that was done to documents."""

    kind: str
    """changed, dropped, personal data replaced or left out."""
    what: str
    count: int
    examples: Sequence[Mapping[str, str]]


def happened_rows(facts: Mapping[str, Any]) -> list[Happened]:
    """Everything that was changed, dropped or left out, the most frequent first within each kind."""
    tally = facts["tally"]
    examples = tally.get("examples", {})
    messages = facts.get("unreadable_examples", {})
    examples = examples | {
        what: [{"id": "", "source": "", "detail": line, "text": ""} for line in lines]
        for what, lines in messages.items()
    }
    kinds = {
        "dropped": tally.get("dropped", {}),
        "changed": tally.get("changed", {}),
        "personal data replaced": tally.get("personal_data", {}),
        "left out": facts.get("unreadable", {}),
    }
    rows = [
        Happened(kind, what, count, examples.get(what, []))
        for kind, counts in kinds.items()
        for what, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]
    others: Counter[str] = Counter()
    for counts in facts.get("left_out", {}).values():
        others.update(counts)
    if others:
        named = ", ".join(f"{suffix} ({count:,})" for suffix, count in others.most_common(SUFFIXES_NAMED))
        more = f" and {len(others) - SUFFIXES_NAMED} more kinds" if len(others) > SUFFIXES_NAMED else ""
        rows.append(Happened("left out, no kind of text that is read", named + more, others.total(), []))
    return rows


def composition_rows(facts: Mapping[str, Any]) -> list[tuple[str, list[Row]]]:
    """The composition as tables: a title, and rows of name, figure and share."""
    made = facts["composition"]
    tables = [
        ("source, characters", _shares(made["sources"])),
        ("license, documents", _shares(made["licenses"])),
        ("language, characters", _shares(made["languages"])),
        ("length in characters, documents", _shares(made["lengths"], order=length_classes())),
    ]
    for name, counts in made["groups"].items():
        if counts:
            tables.append((f"words that name people by {name}", _shares(counts)))
    return tables


def write_data_page(source: Path, facts: Mapping[str, Any], path: Path) -> None:
    """Write the page for prepared or inspected text."""
    made = facts["composition"]
    page = (
        html_templates()
        .get_template("data.html.j2")
        .render(
            name=source.absolute().name or str(source),
            style=read_template("report.css"),
            tiles=[
                ("Documents", f"{made['documents']:,}", "kept"),
                ("Characters", f"{made['characters']:,}", size(made["num_bytes"]) + " as UTF-8"),
                ("Sources", f"{len(made['sources']):,}", ""),
                ("Dropped", f"{sum(facts['tally']['dropped'].values()):,}", "documents, each with its reason"),
            ],
            funnel=facts.get("funnel", []),
            happened=happened_rows(facts),
            tables=composition_rows(facts),
            looked_at=made["looked_at"],
            all_looked_at=made["looked_at"] >= made["characters"],
        )
    )
    with replacing(path) as file:
        file.write(page.encode("utf-8"))


def _shares(counts: Mapping[str, int], order: Sequence[str] = ()) -> list[Row]:
    total = sum(counts.values()) or 1
    names = [name for name in order if name in counts] or sorted(counts, key=lambda name: (-counts[name], name))
    rows = [(name, f"{counts[name]:,}", counts[name] / total) for name in names[:MOST_ROWS]]
    rest = sum(counts[name] for name in names[MOST_ROWS:])
    return [*rows, (f"{len(names) - MOST_ROWS:,} more", f"{rest:,}", rest / total)] if rest else rows
