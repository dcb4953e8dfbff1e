"""The tables of docs/applications.md, made from results/applications.json.

.venv/bin/python -m benchmarks.applications.page
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RESULT, PAGE = ROOT / "benchmarks" / "results" / "applications.json", ROOT / "docs" / "applications.md"
NUM_SHOWN = 4
SECTION = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(page: str, result: dict[str, Any]) -> str:
    """The page with its tables as the result has them."""
    tables = {"scores": scores(result["tasks"]), "replies": replies(result["tasks"])}
    return SECTION.sub(lambda match: match[1] + tables[match[2]] + match[3], page)


def scores(tasks: list[dict[str, Any]]) -> str:
    """A row a measure."""
    lines = [
        "| task | rows | measure | the model | without one | which is | development: examples | an instruction |",
        "|---|---:|---|---:|---:|---|---:|---:|",
    ]
    for task in tasks:
        for name, value in task["model"].items():
            tried = [task["development"].get(form, {}).get(name) for form in ("examples", "instruction")]
            shown = ["" if each is None else f"{each:.2f}" for each in (value, task["baseline"][name])]
            others = ["" if each is None else f"{each:.2f}" for each in tried]
            cells = [task["task"], str(task["rows"]), name, *shown, task["baseline"]["what"], *others]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def replies(tasks: list[dict[str, Any]]) -> str:
    """The first held-out rows of each task, whatever was said."""
    lines = ["| task | asked | said | right |", "|---|---|---|---|"]
    for task in tasks:
        for each in task["replies"][:NUM_SHOWN]:
            asked = " ".join(each["row"][key] for key in ("text", "question") if key in each["row"])
            lines.append(f"| {' | '.join(map(_cell, (task['task'], asked, each['reply'], each['right'])))} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main() -> None:
    result = json.loads(RESULT.read_text(encoding="utf-8"))
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), result), encoding="utf-8")


if __name__ == "__main__":
    main()
