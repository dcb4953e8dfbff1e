"""Keep the tutorial true: fill its blocks from the files they name, by running them, and from the library's source.

    python scripts/fill_docs.py            rewrite what is stale
    python scripts/fill_docs.py --check    only say what is stale, and fail if anything is

A block belongs to the comment on the line before it; paths are relative to the chapter:

    <!-- file: code/02_scale.py -->                          the file itself
    <!-- output: code/02_scale.py -->                        what it prints
    <!-- record: records/10-smollm2.txt -->                  what a program printed that takes too long to run each time
    <!-- source: groundup.textbook.attention:create_causal_mask -->    a function, class or method of the library
    <!-- figure: code/03_draw_heads.py -->                   before an image: what the file prints is the image
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib
import inspect
import io
import os
import re
import runpy
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
TUTORIAL = ROOT / "docs" / "tutorial"
LANGUAGES = {"source": "python", "output": "text", "record": "text"}  # of a file, its ending says it

BLOCK = re.compile(r"<!-- (file|output|record|source): (\S+) -->\n```\w*\n(.*?)```\n", re.DOTALL)
FIGURE = re.compile(r"<!-- figure: (\S+) -->\n!\[[^\]]*\]\((\S+)\)")
NUMBER = re.compile(r"(?<!\w)-?\d[\d,]*(?:\.\d+)?%?")


@dataclass(frozen=True)
class Stale:
    """A block, or a figure's file, that is not what it should be."""

    where: Path
    kind: str
    names: str
    right: str

    def __str__(self) -> str:
        return f"{self.where}: the {self.kind} of {self.names} is stale"


def main() -> None:
    """Rewrite, or with --check only report, and exit with status 1 if something is stale."""
    parser = argparse.ArgumentParser(description="Fill the tutorial's generated blocks.")
    parser.add_argument("--check", action="store_true", help="change nothing; fail if something is stale")
    check_only = parser.parse_args().check
    import torch

    torch.set_num_threads(1)
    # What a chapter prints does not hang on what was prepared on this machine before.
    os.environ["GROUNDUP_CACHE"] = tempfile.mkdtemp()
    found = False
    for chapter in sorted(TUTORIAL.glob("*.md")):
        stale = list(find_stale(chapter))
        for block in stale:
            found = True
            print(block)
        if not check_only:
            rewrite(chapter, stale)
    if check_only and found:
        sys.exit("run: python scripts/fill_docs.py")


def find_stale(chapter: Path) -> Iterator[Stale]:
    """The blocks and figures of a chapter that have to be filled anew."""
    text = chapter.read_text(encoding="utf-8")
    for match in BLOCK.finditer(text):
        kind, names, shown = match.groups()
        right = content(kind, names, chapter.parent)
        if not (agree(shown, right) if kind == "output" else shown == right):
            yield Stale(chapter, kind, names, right)
    for match in FIGURE.finditer(text):
        drawn, right = chapter.parent / match[2], run(chapter.parent / match[1])
        if not drawn.is_file() or not agree(drawn.read_text(encoding="utf-8"), right, drawing=True):
            yield Stale(drawn, "figure", match[1], right)


def rewrite(chapter: Path, stale: list[Stale]) -> None:
    """Put the right content into each of these blocks and figures."""
    right = {(block.kind, block.names): block.right for block in stale if block.kind != "figure"}

    def fill(match: re.Match[str]) -> str:
        kind, names, shown = match.groups()
        filled = right.get((kind, names), shown)
        language = {".py": "python", ".toml": "toml"}[Path(names).suffix] if kind == "file" else LANGUAGES[kind]
        return f"<!-- {kind}: {names} -->\n```{language}\n{filled}```\n"

    text = chapter.read_text(encoding="utf-8")
    filled = BLOCK.sub(fill, text)
    if filled != text:
        chapter.write_text(filled, encoding="utf-8")
    for block in stale:
        if block.kind == "figure":
            block.where.write_text(block.right, encoding="utf-8")


def content(kind: str, names: str, folder: Path) -> str:
    """What a block of this kind should hold."""
    if kind in ("file", "record"):
        return (folder / names).read_text(encoding="utf-8")
    if kind == "output":
        return run(folder / names)
    module, _, path = names.partition(":")
    found = functools.reduce(getattr, path.split("."), importlib.import_module(module))
    return inspect.cleandoc("\n" + inspect.getsource(found)) + "\n"


@functools.cache
def run(file: Path) -> str:
    """What a file prints, run as a program of its own, but in this process: PyTorch is loaded once for all.

    As a program's, its environment variables end with it.
    """
    folder, printed, environment = str(file.parent), io.StringIO(), dict(os.environ)
    sys.path.insert(0, folder)  # as Python does for the program that it is given
    try:
        with contextlib.redirect_stdout(printed):
            runpy.run_path(str(file), run_name="__main__")
    finally:
        sys.path.remove(folder)
        os.environ.clear()
        os.environ.update(environment)
    return printed.getvalue()


def agree(shown: str, right: str, drawing: bool = False) -> bool:
    """Whether two outputs say the same: the same words, and numbers that differ no more than rounding on another machine.

    Processors add in different orders, and a training makes small differences larger. So a number may be off by one in
    its last decimal place or by 2 %, and a percentage by three points. In a drawing zeros at a number's end may be left out.
    """
    if NUMBER.sub("#", shown).split() != NUMBER.sub("#", right).split():
        return False
    numbers = zip(NUMBER.findall(shown), NUMBER.findall(right), strict=True)
    return all(_close(one, other, drawing) for one, other in numbers)


def _close(one: str, other: str, zeros_left_out: bool) -> bool:
    if one == other:
        return True
    decimals = [len(number.partition(".")[2].rstrip("%")) for number in (one, other)]
    if one.endswith("%") != other.endswith("%") or (decimals[0] != decimals[1] and not zeros_left_out):
        return False
    places = max(decimals)
    first, second = (float(number.replace(",", "").rstrip("%")) for number in (one, other))
    room = max(0.02 * abs(first), 10.0**-places if places else 0.0, 3.0 if one.endswith("%") else 0.0)
    return abs(first - second) <= room * (1 + 1e-9)


if __name__ == "__main__":
    main()
