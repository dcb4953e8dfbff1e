"""Which tokens a recipe would learn, as figures and as one offline page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from groundup.files import replacing
from groundup.report.pages import html_templates, read_template, share
from groundup.report.values import visible

MOST_TOKENS = 4000
"""So many of a row's are on the page."""
HOW = {
    "stream": "windows of the text as it lies there",
    "best_fit": "put together by best fit",
    "documents": "one a row, those of like length together",
}

Figure = tuple[str, str, str]
"""A name, its value, what it means."""


def figures(found: Mapping[str, Any]) -> list[Figure]:
    """What is to be told of the labels in numbers."""
    tokens, examples, unit, stop, plan = (found[name] for name in ("tokens", "examples", "unit", "stop", "plan"))
    learned, total = tokens["learned"], tokens["train"]
    rows, batch = plan["num_rows"], found["batch_size"]
    batches = f"{rows / batch:,.1f} batches of {batch}"
    template = {"": ("none", "a text has none"), "own": ("own", "the tokenizer's chat template")}.get(
        found["template"], (found["template"], "data.template")
    )
    of = f"of {examples['train']:,} {unit if examples['train'] != 1 else unit.removesuffix('s')}"
    return [
        (
            f"training {unit}",
            f"{examples['train']:,}",
            f"and {examples['validation']:,} held out, of {found['read']:,} read",
        ),
        ("tokens", f"{total:,}", f"by the tokenizer of {found['tokenizer']}"),
        ("carry loss", f"{learned:,}", f"{share(learned / max(1, total))} of the tokens"),
        ("read only", f"{tokens['masked']:,}", f"{share(tokens['masked'] / max(1, total))}, masked"),
        ("teach nothing", f"{found['teach_nothing']:,}", f"{of}: no token of theirs carries loss"),
        (
            "teach the end",
            f"{stop['examples']:,}",
            f"{of}: {stop['token'] or 'a token that ends them'} is among what is learned",
        ),
        ("template", *template),
        ("rows an epoch", f"{rows:,}", f"{batches}; {HOW[plan['kind']]}"),
        (
            "padding",
            share(plan["padding_share"]),
            f"of the planned batches; a row has at most {found['max_seq_len']:,} tokens",
        ),
    ]


def length_rows(found: Mapping[str, Any]) -> list[tuple[str, int, float]]:
    """The lengths as rows of a table: tokens, how many rows have so many, their share of the most frequent class."""
    most = max((one["rows"] for one in found["lengths"]), default=0) or 1
    return [
        (f"{one['from']:,} to {one['to']:,}" if one["to"] > one["from"] else "1", one["rows"], one["rows"] / most)
        for one in found["lengths"]
    ]


def write_labels_page(found: Mapping[str, Any], path: Path) -> None:
    """Write the page of what `inspect_labels` found."""
    shown = [{**example, "rows": [_cut(row) for row in example["rows"]]} for example in found["shown"]]
    page = (
        html_templates()
        .get_template("labels.html.j2")
        .render(
            found=found,
            style=read_template("report.css"),
            figures=figures(found),
            lengths=length_rows(found),
            shown=shown,
        )
    )
    with replacing(path) as file:
        file.write(page.encode("utf-8"))


def _cut(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as the page shows it: each token's id, what it says, whether it carries loss, and whether a line ends behind it."""
    tokens = [
        {
            "id": number,
            "text": visible(text),
            "learned": learned,
            "special": special,
            "ends_line": text.endswith("\n"),
        }
        for number, text, learned, special in row["tokens"][:MOST_TOKENS]
    ]
    return {**row, "tokens": tokens, "count": len(row["tokens"]), "cut": max(0, len(row["tokens"]) - MOST_TOKENS)}
