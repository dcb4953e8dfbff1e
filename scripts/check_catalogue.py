"""Fetch everything in the catalogue, count it, and hold the figures in the catalogue and in docs/catalogue.md against it.

    python scripts/check_catalogue.py            say what differs, and fail if anything does
    python scripts/check_catalogue.py --write    write the two tables of docs/catalogue.md

It needs the package registry for what is not in the cache yet: about 250 MB the first time.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from pathlib import Path

from groundup.text.cache import cache_directory
from groundup.text.catalogue import CATALOGUE, MODELS, CatalogueEntry
from groundup.text.fetch import fetch, fetch_model

PAGE = Path(__file__).parent.parent / "docs" / "catalogue.md"
BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(\n<!-- end -->)", re.DOTALL)
SHOWN_LANGUAGES = 10


def main() -> None:
    """Count, compare, and exit with status 1 when something differs."""
    parser = argparse.ArgumentParser(description="Hold the catalogue's figures against the texts themselves.")
    parser.add_argument("--write", action="store_true", help="write the tables of docs/catalogue.md")
    write = parser.parse_args().write
    cache = cache_directory()
    differences = []
    counted: dict[str, Counter[str]] = {}
    for entry in CATALOGUE.values():
        documents, languages = count(entry, cache)
        counted[entry.name] = languages
        print(f"{entry.name}: {documents:,} documents, {languages.total():,} bytes, {shown(languages)}")
        if entry.text_bytes is not None:
            found = (documents, languages.total(), sorted(languages))
            stated = (entry.documents, entry.text_bytes, sorted(entry.languages))
            if found != stated:
                differences.append(f"{entry.name}: the catalogue says {stated}, but it is {found}")
    for model in MODELS.values():
        print(f"{model.name}: {fetch_model(model, cache, print)}")
    page = PAGE.read_text(encoding="utf-8")
    right = fill(page, {"entries": entries_table(), "languages": languages_table(counted)})
    if write:
        PAGE.write_text(right, encoding="utf-8")
    elif page != right:
        differences.append(f"the tables of {PAGE} are not these figures: run this with --write")
    print("\n".join(differences) or "all figures are right")
    sys.exit(bool(differences))


def count(entry: CatalogueEntry, cache: Path) -> tuple[int, Counter[str]]:
    """How many documents an entry has, and how many bytes in each language; their names are checked to differ."""
    texts = entry.reader(fetch(entry, cache, print))
    if len({text.name for text in texts}) < len(texts):
        raise SystemExit(f"{entry.name}: two texts share a name")
    languages: Counter[str] = Counter()
    for text in texts:
        languages[text.metadata.get("language", "")] += len(text.text.encode())
    return len(texts), languages


def shown(languages: Counter[str]) -> str:
    """Bytes by language, the most first: `en 4,646,062, la 4,036,797`."""
    return ", ".join(f"{language} {size:,}" for language, size in languages.most_common() if language) or "no language"


def entries_table() -> str:
    """The table of the catalogue, from what the catalogue itself states."""
    rows = ["| name | what | documents | MB of text | languages | license |", "|---|---|---:|---:|---|---|"]
    for entry in CATALOGUE.values():
        few = ", ".join(entry.languages[:SHOWN_LANGUAGES]) + (" …" if len(entry.languages) > SHOWN_LANGUAGES else "")
        size = "varies" if entry.text_bytes is None else f"{entry.text_bytes / 1e6:.1f}"
        documents = "varies" if entry.documents is None else f"{entry.documents:,}"
        rows.append(f"| `{entry.name}` | {entry.description} | {documents} | {size} | {few} | {entry.license} |")
    for model in MODELS.values():
        rows.append(f"| `{model.name}` | {model.description} | | | a model | {model.license} |")
    return "\n".join(rows)


def languages_table(counted: dict[str, Counter[str]]) -> str:
    """Bytes by language of those in more than one."""
    rows = ["| name | bytes of text in each language |", "|---|---|"]
    rows += [f"| `{name}` | {shown(languages)} |" for name, languages in counted.items() if len(languages) > 1]
    return "\n".join(rows)


def fill(page: str, tables: dict[str, str]) -> str:
    """A page with its tables put where `<!-- table: name -->` says."""
    return BLOCK.sub(lambda block: block[1] + tables[block[2]] + block[3] if block[2] in tables else block[0], page)


if __name__ == "__main__":
    main()
