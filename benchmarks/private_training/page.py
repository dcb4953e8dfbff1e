"""The table of docs/privacy-training.md, made from results/private-training.json.

.venv/bin/python -m benchmarks.private_training.page
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.memorization.page import number, percent, table
from benchmarks.private_training.picture import NAMES

ROOT = Path(__file__).parents[2]
RESULT, PAGE = ROOT / "benchmarks" / "results" / "private-training.json", ROOT / "docs" / "privacy-training.md"
SECTION = re.compile(r"(<!-- table: models -->\n).*?(<!-- end -->)", re.DOTALL)
HEAD = (
    "model",
    "noise",
    "loss, held out",
    "exposure, 1 copy",
    "10 copies",
    "AUC of the loss",
    "AUC beside the control",
    "found at 1 % false alarms",
)


def filled(page: str, result: Mapping[str, Any]) -> str:
    """The page with its table as the result has it."""
    return SECTION.sub(lambda match: match[1] + models(result) + match[2], page)


def models(result: Mapping[str, Any]) -> str:
    """A row a model."""
    rows = []
    for name, model in result["models"].items():
        noise, figures = model["noise"], model["figures"]
        numbers = ("loss", "exposure_1_copies", "exposure_10_copies", "auc_loss", "auc_reference")
        rows.append(
            [
                NAMES[name],
                "" if noise is None else f"{noise:.3g}",
                *(number(figures[figure]) for figure in numbers),
                percent(figures["tpr_reference"] or figures["tpr_loss"]),
            ]
        )
    return table(HEAD, rows)


def main() -> None:
    """Write the table into the page."""
    result = json.loads(RESULT.read_text(encoding="utf-8"))
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), result), encoding="utf-8")


if __name__ == "__main__":
    main()
