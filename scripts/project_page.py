"""What keeps a project's page true: its runs are measured into a JSON file, and the page's blocks are filled from that."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "docs" / "projects"
BLOCK = re.compile(r"<!-- figures: (\w+) -->\n.*?<!-- end -->", re.DOTALL)

Blocks = Mapping[str, Callable[[dict[str, Any]], str]]
"""What to write between `<!-- figures: NAME -->` and `<!-- end -->`, by name, from the figures."""


def keep_true(name: str, measure: Callable[[list[Path]], dict[str, Any]], blocks: Blocks) -> None:
    """Measure the runs that the command line names into NAME.json; fill NAME.md, or with --check exit with status 1 if it is stale."""
    page_file, figures_file = FOLDER / f"{name}.md", FOLDER / f"{name}.json"
    parser = argparse.ArgumentParser(description=f"Fill docs/projects/{name}.md.")
    parser.add_argument("runs", nargs="*", type=Path, help=f"finished runs of the recipe {name}, to be measured")
    parser.add_argument("--check", action="store_true", help="change nothing; fail if the page is stale")
    arguments = parser.parse_args()
    if arguments.runs:
        figures = json.dumps(measure(arguments.runs), ensure_ascii=False, indent=1)
        figures_file.write_text(figures + "\n", encoding="utf-8")
    page = page_file.read_text(encoding="utf-8")
    filled = fill(page, json.loads(figures_file.read_text(encoding="utf-8")), blocks)
    if arguments.check:
        sys.exit(f"docs/projects/{name}.md is stale: run scripts/fill_{name}.py" if filled != page else 0)
    page_file.write_text(filled, encoding="utf-8")


def fill(page: str, figures: dict[str, Any], blocks: Blocks) -> str:
    """The page with each block made anew."""
    return BLOCK.sub(lambda match: f"<!-- figures: {match[1]} -->\n{blocks[match[1]](figures)}\n<!-- end -->", page)


def facts_of(run: Path) -> dict[str, Any]:
    """What each page says of a finished run: how long, how far, how large."""
    manifest, result = (
        json.loads((run / f"{name}.json").read_text(encoding="utf-8")) for name in ("manifest", "result")
    )
    return {
        **{name: result[name] for name in ("seconds", "steps", "best_step", "tokens")},
        "parameters": manifest["model"]["parameters"]["total"],
        "trainable": manifest["model"]["trainable"],
        "precision": manifest["precision"],
        "num_threads": manifest["num_threads"],
    }


def text_block(text: str) -> str:
    """A text as it is, in a fence longer than any that it has."""
    fence = "`" * max(3, 1 + max(map(len, re.findall(r"`{3,}", text)), default=0))
    return f"{fence}text\n{text.strip() or '(nothing: it ended at once)'}\n{fence}"
