"""The pages on a GPU and on several processes: their tables are what was measured, and what they say of it follows from the figures."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from benchmarks.gpu import PLAIN

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
GPU: dict[str, Any] = json.loads((RESULTS / "gpu.json").read_text(encoding="utf-8"))
BEFORE: dict[str, Any] = json.loads((RESULTS / "gpu-350M.json").read_text(encoding="utf-8"))
"""Of the larger shape, as it was before matrices had copies that stay."""
PROCESSES: dict[str, Any] = json.loads((RESULTS / "processes.json").read_text(encoding="utf-8"))
OURS = "Groundup, "


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def rows_of(text: str, begin: str) -> list[list[str]]:
    """The cells of the table whose head begins so, without its head."""
    table = re.search(rf"^\| {re.escape(begin)}.*\n\|[-| ]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert table is not None
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[1].splitlines()]


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def times(row: dict[str, Any]) -> str:
    """How many times as fast as nanoGPT's way; of ours compiled, which is what the table is for, in bold."""
    if row["times_compiled_nanogpt"] == 1:
        return "1"
    shown = f"{row['times_compiled_nanogpt']:.2f}"
    return f"**{shown}**" if row["name"].startswith(OURS) and row["name"].endswith("compiled") else shown


def test_the_table_of_a_card_is_what_was_measured() -> None:
    tables = GPU["tables"] + BEFORE["tables"]
    measured = [row for table in tables for row in table["rows"]]
    shown = rows_of(page("gpu.md"), "| tokens a second")
    assert [cells[1:] for cells in shown] == [
        [
            f"{row['tokens_per_second']:,}",
            times(row),
            f"{percent(row['mfu_of_datasheet'])}, {percent(row['mfu_of_measured_peak'])}",
            f"{row['peak_memory_mb']:,}",
        ]
        for row in measured
    ]
    for (what, *_), row in zip(shown, measured, strict=True):
        assert ("nanoGPT's way" in what) is row["name"].startswith(PLAIN)
        assert ("eager" in what) is row["name"].endswith("eager")
    assert [table["batch_size"] for table in tables] == [12, 32, 12]
    assert [what.partition(",")[0] for what, *_ in shown if what[:4] in ("124M", "350M")] == ["124M", "124M", "350M"]
    assert f"`{GPU['command']}`" in page("gpu.md") or f"    {GPU['command']}\n" in page("gpu.md")


def ours_of(how: str) -> list[dict[str, Any]]:
    """Rows of ours, eager or compiled, of all shapes."""
    rows = [row for table in GPU["tables"] for row in table["rows"]]
    return [row for row in rows if row["name"].startswith(OURS) and row["name"].endswith(how)]


def test_what_is_said_of_a_card_follows_from_its_table() -> None:
    leads = sorted(row["times_compiled_nanogpt"] for row in ours_of("compiled"))
    assert f"compiled steps are {100 * leads[0] - 100:.0f} to {100 * leads[-1] - 100:.0f} % faster" in page("gpu.md")
    for name in ("README.md", "docs/speed.md"):
        said = f"is {leads[0]:.2f} to {leads[-1]:.2f} times as fast as nanoGPT's way, compiled too"
        assert said in (ROOT / name).read_text(encoding="utf-8")
    eager = []
    for table in GPU["tables"]:
        by_name = {row["name"]: row["times_compiled_nanogpt"] for row in table["rows"]}
        eager.append(by_name[f"{OURS}eager"] / by_name[f"{PLAIN}, eager"])
    assert f"{100 * min(eager) - 100:.0f} to {100 * max(eager) - 100:.0f} % faster than its own such steps" in page(
        "gpu.md"
    )
    shares = {name: [100 * row["mfu_of_datasheet"] for row in ours_of(name)] for name in ("compiled", "eager")}
    spans = " and ".join(f"{min(own):.0f} to {max(own):.0f} %" for own in shares.values())
    assert f"since then {spans} on an H200" in page("planning.md")
    too_long = [share / of_plan - 1 for name, of_plan in (("compiled", 40), ("eager", 32)) for share in shares[name]]
    assert f"a plan's time is {100 * min(too_long):.0f} to {100 * max(too_long):.0f} % too long" in page("planning.md")


def test_what_the_page_on_memory_says_of_a_card_is_in_the_same_file() -> None:
    small, many, large = (
        {row["name"]: row["peak_memory_mb"] / 1000 for row in table["rows"]}
        for table in GPU["tables"] + BEFORE["tables"]
    )
    ours, theirs = (f"{OURS}{{}}".format, f"{PLAIN}, {{}}".format)
    text = page("memory.md")
    for said in (
        f"takes {small[ours('eager')]:.1f} GB with 12 rows; nanoGPT's way, with all logits at once and four bytes each, "
        f"{small[theirs('eager')]:.1f}.",
        f"it is {small[ours('compiled')]:.1f} for its {small[theirs('compiled')]:.1f}.",
        f"with 12 rows: {large[ours('eager')]:.1f} for {large[theirs('eager')]:.1f}, compiled {large[ours('compiled')]:.1f} for "
        f"{large[theirs('compiled')]:.1f}.",
        f"{many[ours('eager')]:.1f} for {many[theirs('eager')]:.1f}, and compiled {many[ours('compiled')]:.1f} for "
        f"{many[theirs('compiled')]:.1f}.",
    ):
        assert said in text


def test_the_table_of_two_processes_is_what_was_measured() -> None:
    shown = rows_of(page("distributed.md"), "times as fast as one process of two threads")
    small, large = ({row["way"]: row for row in table["rows"]} for table in PROCESSES["tables"].values())
    base, *ways = small
    assert base == "one process, two threads"
    for way, (what, *cells) in zip(ways, shown, strict=True):
        assert what.replace("`", "") == way
        for row, cell in zip((small[way], large[way]), cells, strict=True):
            low, high = row["half_of_rounds"]
            assert re.findall(r"\d\.\d\d", cell) == [f"{number:.2f}" for number in (row["times_as_fast"], low, high)]
    assert f"    {PROCESSES['command'].partition(' --output')[0]}\n" in page("distributed.md")
