"""Export a model in every form, keep the certificates in docs/exports/NAME.json, and write their table into docs/exports.md.

python scripts/parity_tables.py shakespeare runs/shakespeare [hf-float32 gguf-int8 …]
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "docs" / "exports"
HEADINGS = ("export", "MB", "run by", "max error", "mean error", "KL", "same choice", "perplexity", "tokens/s")


def table(certificates: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    """The lines of a table in Markdown: the engine's ways once, then those of each export."""
    yield "| " + " | ".join(HEADINGS) + " |"
    yield "|" + "|".join("---" if heading in ("export", "run by") else "--:" for heading in HEADINGS) + "|"
    first = True
    for certificate in certificates.values():
        if "refused" in certificate:
            cells = [f"{certificate['to']}, {certificate['number_format']}", "not written", certificate["refused"]]
            yield "| " + " | ".join(cells + [""] * (len(HEADINGS) - len(cells))) + " |"
            continue
        _, cached, batched, *others = certificate["ways"]
        form = f"{certificate['to']}, {certificate['number_format']}"
        rows = [("–", "–", cached), ("–", "–", batched)] if first else []
        rows += [(form, f"{certificate['bytes'] / 1e6:,.1f}", way) for way in others]
        first = False
        for name, size, way in rows:
            speed = way["tokens_per_second"]
            figures = [f"{way[key]:.1e}" for key in ("max_error", "mean_error", "kl")]
            shares = [f"{way['greedy_agreement']:.1%}", f"{way['perplexity_change']:+.2%}"]
            cells = [name, size, way["way"], *figures, *shares, "–" if speed is None else f"{speed:,.0f}"]
            yield "| " + " | ".join(cells) + " |"


def measure(name: str, model: str, forms: Iterable[str]) -> None:
    """Export, one form after another, and keep the certificates; those that are there already and not named stay."""
    from groundup.errors import ExportError
    from groundup.language_model import LanguageModel
    from groundup.recipe.bounds import BOUNDS
    from groundup.recipe.certificate import measure_reference
    from groundup.recipe.export import export

    path = FOLDER / f"{name}.json"
    reference = measure_reference(LanguageModel.load(model, device="cpu"), tell)
    known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    for form in forms or ["-".join(each) for each in BOUNDS]:
        to, _, number_format = form.partition("-")
        how: dict[str, Any] = {"quantize" if number_format.startswith("int") else "dtype": number_format}
        with tempfile.TemporaryDirectory() as folder:
            try:
                known[form] = export(model, to, Path(folder) / "export", say=tell, reference=reference, **how)
            except ExportError as error:  # outside its bound
                known[form] = {"to": to, "number_format": number_format, "refused": str(error).split(" (docs")[0]}
        ordered = {each: known[each] for each in ("-".join(key) for key in BOUNDS) if each in known}
        path.write_text(json.dumps(ordered, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        fill_page(name, ordered)


def tell(line: str) -> None:
    """Say how far it is."""
    print(line, file=sys.stderr)


def fill_page(name: str, certificates: Mapping[str, Mapping[str, Any]]) -> None:
    """Put the table below its mark."""
    page = FOLDER.with_suffix(".md")
    lines = "".join(f"{line}\n" for line in table(certificates))
    mark = rf"(<!-- {re.escape(name)} -->\n\n)(\|.*\n)*"
    text, found = re.subn(mark, lambda place: place[1] + lines, page.read_text(encoding="utf-8"))
    if not found:
        raise SystemExit(
            f"{page} has no line <!-- {name} --> with an empty one below it, where the table goes: add them"
        )
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    measure(sys.argv[1], sys.argv[2], sys.argv[3:])
