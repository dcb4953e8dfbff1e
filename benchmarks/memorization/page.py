"""The tables of docs/memorization.md, made from results/memorization.json.

.venv/bin/python -m benchmarks.memorization.page
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RESULT, PAGE = ROOT / "benchmarks" / "results" / "memorization.json", ROOT / "docs" / "memorization.md"
SECTION = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(page: str, result: Mapping[str, Any]) -> str:
    """The page with its tables as the result has them."""
    tables = {"canaries": canaries, "membership": membership, "copies": copies, "duplicates": duplicates}
    return SECTION.sub(lambda match: match[1] + tables[match[2]](result) + match[3], page)


def canaries(result: Mapping[str, Any]) -> str:
    """A row a number of copies: exposure as estimated and among all secrets, and the same canaries in the control."""
    named = ("planted", "planted, every secret", "control")
    of_copies = zip(*(result["audits"][name]["canaries"]["tables"]["by_copies"] for name in named), strict=True)
    rows = [
        [
            str(row["copies"]) if row["copies"] else "0: not planted",
            *(number(each["exposure_bits"]) for each in (row, every)),
            number(row["auc"]),
            number(control["exposure_bits"]),
            number(control["auc"]),
        ]
        for row, every, control in of_copies
    ]
    return table(
        ["copies", "exposure, bits", "ranked among all", "AUC", "exposure in the control", "AUC in the control"], rows
    )


def membership(result: Mapping[str, Any]) -> str:
    """A row a score, of the model and of the control."""
    ours, theirs = (result["audits"][name]["membership"]["tables"]["scores"] for name in ("planted", "control"))
    of_control = {row["score"]: row for row in theirs}
    rows = []
    for row in ours:
        control = of_control.get(row["score"], {})
        figures = [
            show(each.get(column))
            for each in (row, control)
            for column, show in (("auc", number), ("true_positives_at_1_percent", percent))
        ]
        rows.append([f"`{row['score']}`", *figures])
    return table(["score", "AUC", "found at 1 % false alarms", "AUC in the control", "found at 1 %"], rows)


def copies(result: Mapping[str, Any]) -> str:
    """A row a number of copies: what comes out, by how much is given."""
    by_copies = result["audits"]["duplicates"]["extraction"]["tables"]["by_copies"]
    columns = [name for name in by_copies[0] if name != "copies"]
    given = [f"{column.removeprefix('prefix_')} characters given" for column in columns]
    rows = [[row["copies"].replace("-", " to "), *(percent(row[column]) for column in columns)] for row in by_copies]
    return table(["copies of the text", *given], rows)


def duplicates(result: Mapping[str, Any]) -> str:
    """A row a model: with duplicates, and without them as many passes and as many steps."""
    named = {
        "duplicates": "duplicates",
        "once": "duplicates removed, as many passes",
        "once, long": "duplicates removed, as many steps",
    }
    rows = []
    for name, shown in named.items():
        figures, model = result["audits"][name]["extraction"]["figures"], result["models"][name]
        out = [percent(figures[column]) for column in ("extracted", "extracted_unseen")]
        rows.append([shown, f"{model['steps']:,}", *out, f"{model['validation_loss']:.2f}"])
    return table(["trained on", "steps", "comes out", "of held-out text", "validation loss"], rows)


def number(figure: Mapping[str, float] | None) -> str:
    """`0.90 [0.87, 0.93]`."""
    return "–" if figure is None else f"{figure['value']:.2f} [{figure['low']:.2f}, {figure['high']:.2f}]"


def percent(figure: Mapping[str, float] | None) -> str:
    """`12.7 % [0.6 %, 32.7 %]`."""
    if figure is None:
        return "–"
    return f"{figure['value']:.1%} [{figure['low']:.1%}, {figure['high']:.1%}]".replace("%", " %")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def main() -> None:
    result = json.loads(RESULT.read_text(encoding="utf-8"))
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), result), encoding="utf-8")


if __name__ == "__main__":
    main()
