"""The table of docs/memory.md, made from results/memory.json.

.venv/bin/python -m benchmarks.memory.page
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RESULT, PAGE = ROOT / "benchmarks" / "results" / "memory.json", ROOT / "docs" / "memory.md"
SECTION = re.compile(r"(<!-- ways -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(page: str, result: Mapping[str, Any]) -> str:
    """The page with its table as the result has it."""
    return SECTION.sub(lambda match: match[1] + ways(result["tables"]) + match[2], page)


def ways(tables: list[dict[str, Any]]) -> str:
    """A row a way; of each size its memory, and its time, in shares of the plain training's."""
    heads = [f"{one['name']}: memory | time |" for one in tables]
    lines = ["| | " + " ".join(heads), "|---|" + "---|---|" * len(tables)]
    by_name = [{row["name"]: row for row in one["rows"]} for one in tables]
    names = [*by_name[0], *(name for name in tables[0]["left_out"] if any(name in rows for rows in by_name))]
    for name in names:
        cells = [of_plain(rows[name]) if name in rows else "| |" for rows in by_name]
        lines.append(f"| {name} | " + " ".join(cells))
    return "\n".join(lines) + "\n"


def of_plain(row: Mapping[str, Any]) -> str:
    """Two cells."""
    if "half_of_rounds" not in row:
        return f"{row['peak_mb']:,.0f} MB | 1 |"
    return f"{row['of_plain']:.2f} | {row['times_as_long']:.2f} |"


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(filled(text, json.loads(RESULT.read_text(encoding="utf-8"))), encoding="utf-8")
