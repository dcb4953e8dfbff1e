"""The curves of docs/projects/: each page's table, samples and picture, made from results/projects-*.json.

.venv/bin/python -m benchmarks.projects.page
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from project_page import text_block

from benchmarks.memorization.page import table
from benchmarks.projects.measures import PAGES, PROJECTS, RESULTS
from benchmarks.projects.picture import Curve, picture

SECTION = re.compile(r"(<!-- budgets -->\n).*?(<!-- end -->)", re.DOTALL)
TITLES = {
    "shakespeare": "Shakespeare: what more training gives",
    "python-code": "Python: what more training gives",
    "multilingual": "Five languages: what more training gives",
    "domain": "Medicine: what more training gives",
}
EXCERPT = 320  # characters that are shown of a sample
WITHOUT = {
    "shakespeare": "n-grams",
    "python-code": "n-grams of tokens",
    "multilingual": "the best n-grams",
    "domain": "before training",
}
COLUMNS = {
    "share": "of the recipe's steps",
    "steps": "steps",
    "tokens": "tokens",
    "minutes": "minutes",
    "loss": "loss",
    "bits_per_byte": "**bits per byte**",
    "accuracy": "next token right",
    "domain": "**perplexity, medicine**",
    "general": "perplexity, general text",
}


def result_of(project: str) -> Path:
    """What `benchmarks.projects.run` wrote of a project."""
    return RESULTS / f"projects-{project}.json"


def rows_of(project: str, result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row a training, the whole recipe's last: measured in this run, or earlier for the page."""
    whole = PROJECTS[project].whole()
    return [*result["rows"], *([whole] if whole else [])]


def without(rows: Sequence[Mapping[str, Any]]) -> float:
    """What there is without a network, or before training."""
    return float(rows[-1]["without"])


def curve(project: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """The picture."""
    points = [(row["tokens"], row[PROJECTS[project].figure]) for row in rows]
    return picture(Curve(TITLES[project], PROJECTS[project].axis, points, without(rows), WITHOUT[project]))


def section(project: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """The table, the picture, and what each model wrote."""
    keys = [key for key in COLUMNS if key == "minutes" or key in rows[-1]]
    known = {*COLUMNS, "seconds", "samples", "without", "num_threads", "precision"}
    keys += [key for key in rows[-1] if key not in known]  # each language
    lines = [[cell(key, row) for key in keys] for row in rows]
    figure = PROJECTS[project].figure
    beside = cell(figure, {figure: without(rows)})
    lines.append([WITHOUT[project] if key == "share" else beside if key == figure else "" for key in keys])
    shown = table([COLUMNS.get(key, key) for key in keys], lines)
    image = f"![{PROJECTS[project].axis}, against the tokens read]({project}.svg)"
    written = one_line(rows) if project == "python-code" else in_full(rows)
    return f"{shown}\n{image}\n\n{written}\n"


def cell(key: str, row: Mapping[str, Any]) -> str:
    """One figure."""
    if key == "minutes":
        return "–" if row["seconds"] is None else f"{row['seconds'] / 60:.1f}"
    value = row.get(key)
    if key == "accuracy":
        return f"{value:.1%}".replace("%", " %")
    if key in ("domain", "general"):
        return f"{value:.2f}"
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def in_full(rows: Sequence[Mapping[str, Any]]) -> str:
    """Each prompt, and what each model wrote behind it."""
    parts = []
    for number, (prompt, _) in enumerate(rows[-1]["samples"]):
        parts.append(f"`{' '.join(prompt.split())}`:")
        for row in rows:
            parts += [f"After {row['steps']:,} steps:", text_block(row["samples"][number][1][:EXCERPT])]
    return "\n\n".join(parts)


def one_line(rows: Sequence[Mapping[str, Any]]) -> str:
    """What stands before each cursor, and the line that each model wrote there."""
    lines = ["```python"]
    for number, (prompt, _) in enumerate(rows[-1]["samples"]):
        width = max(len(f"{row['steps']:,}") for row in rows)
        lines += [
            prompt.rstrip(),
            *(f"#   {row['steps']:>{width},} steps   {row['samples'][number][1]}" for row in rows),
            "",
        ]
    return "\n".join([*lines[:-1], "```"])


def filled(page: str, project: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """The page with its curve as it was measured."""
    return SECTION.sub(lambda match: match[1] + section(project, rows) + match[2], page)


def main() -> None:
    """Fill each page that has a result, and draw its picture."""
    for project in PROJECTS:
        if not result_of(project).exists():
            continue
        rows = rows_of(project, json.loads(result_of(project).read_text(encoding="utf-8")))
        page = PAGES / f"{project}.md"
        page.write_text(filled(page.read_text(encoding="utf-8"), project, rows), encoding="utf-8")
        (PAGES / f"{project}.svg").write_text(curve(project, rows), encoding="utf-8")


if __name__ == "__main__":
    main()
