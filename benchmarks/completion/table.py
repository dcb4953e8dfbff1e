"""The table and the samples of docs/projects/python-code.md, from the result that is kept.

.venv/bin/python -m benchmarks.completion.table
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
RESULT, PAGE = ROOT / "benchmarks/results/completion.json", ROOT / "docs/projects/python-code.md"
BEGIN, END = "<!-- figures -->\n", "<!-- end -->\n"


def figures(result: Mapping[str, Any]) -> str:
    """Markdown: a row for each that was measured, then the first samples as they came."""
    lines = [
        "| | bits per byte | next token right | line exact | parses so far | parses in place |",
        "|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        shares = [_percent(row.get(name)) for name in ("accuracy", "exact", "parses_so_far", "parses_in_place")]
        bits = f"{row['bits_per_byte']:.3f}" if row.get("bits_per_byte") else ""
        lines.append(f"| {' | '.join([row['who'], bits, *shares])} |")
    lines += ["", f"{result['title']}.", "", "```python"]
    for sample in result["samples"]:
        before = "\n".join(line for line in sample["before"] if line.strip())
        whos = [who for who in sample if who not in ("before", "line")]
        width = max(map(len, [*whos, "the line"]))
        lines += [before.rstrip(), *(f"#   {who:{width}}   {sample[who]}" for who in whos)]
        lines += [f"#   {'the line':{width}}   {sample['line']}", ""]
    return "\n".join([*lines[:-1], "```", ""])


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


def filled(page: str, result: Mapping[str, Any]) -> str:
    """The page with the figures in their place."""
    before, rest = page.split(BEGIN)
    return before + BEGIN + figures(result) + END + rest.split(END, 1)[1]


if __name__ == "__main__":
    made = filled(PAGE.read_text(encoding="utf-8"), json.loads(RESULT.read_text(encoding="utf-8")))
    PAGE.write_text(made, encoding="utf-8")
