"""Each chapter's experiment shows its idea: switched off, what it prints is another figure, by a wide margin and to the right side.

What is read here is what stands in the chapter. That each file prints just that is checked where the chapters are run (test_tutorial).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

CHAPTERS = sorted((Path(__file__).parents[2] / "docs" / "tutorial").glob("*.md"))
NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?")
Place = tuple[str, int]  # the words that a row of the output begins with, and which of the numbers behind them


@dataclass(frozen=True)
class Switch:
    """Where an output tells the figure with an idea and without it, and how far it moves at least, and to which side."""

    chapter: int
    idea: str
    file: str
    with_it: Place
    without: Place
    moves_by: float


SWITCHES = (
    Switch(1, "context: perplexity", "01_counting", ("1", 1), ("0", 1), 8),
    Switch(1, "shorter contexts: perplexity", "01_counting", ("8", 2), ("8", 1), 8),
    Switch(2, "a query: the lender's weight", "02_lookup", ("head 1:", 0), ("a query of length 0", 0), -0.6),
    Switch(2, "the scale: the softmax's slope", "02_scale", ("1024", 2), ("1024", 5), -0.6),
    Switch(2, "the sums: how alike tokens become", "02_sums", ("8", 0), ("8", 1), 0.6),
    Switch(3, "the mask: lines that are right, %", "03_mask", ("with the mask:", 2), ("without it:", 2), -40),
    Switch(3, "the mask: what leaks", "03_mask", ("with the mask:", 1), ("without it:", 1), 0.3),
    Switch(4, "positions: thanks right, %", "04_positions", ("with positions:", 1), ("without positions:", 1), -70),
    Switch(4, "a wide start: loss", "04_start", ("N(0, 1/√d_model)", 1), ("N(0, 0.02)", 1), 0.2),
    Switch(5, "warm-up: loss", "05_switches", ("warm-up,", 1), ("warm-up,", 2), 0.5),
    Switch(5, "clipping: loss", "05_switches", ("clipping,", 0), ("clipping,", 1), 0.15),
    Switch(5, "the step's number: a weight's difference", "05_resume", ("weights, averages, step", 0), ("weights, averages", 0), 0.1),
    Switch(6, "a filter: lines that are right, %", "06_choices", ("temperature 2, min-p 0.3", 0), ("temperature 2", 0), -40),
    Switch(6, "the cache: tokens read", "06_cache", ("cache on", 0), ("cache off", 0), 5000),
    Switch(7, "merges: tokens", "07_sizes", ("byte pairs, 400", 1), ("byte pairs, 257", 1), 500),
    Switch(7, "pieces for any word: unknown, %", "07_sizes", ("byte pairs, 400", 2), ("words, seen 10 times", 2), 20),
    Switch(8, "copies taken out: loss", "08_duplicates", ("loss on 65 held-out notices:", 0), ("loss on 65 held-out notices:", 1), -0.25),
    Switch(9, "a trained start: thanks right of 40 lines, %", "09_knows", ("40", 1), ("40", 3), -60),
    Switch(9, "some old text: loss on it", "09_steps", ("0.01, and 32 lines of the village among them", 1), ("learning rate 0.01", 1), 0.5),
    Switch(10, "LoRA: loss", "10_lora", ("every linear layer, rank 2", 1), ("the last one, with the scale at 0", 1), 0.15),
    Switch(10, "the stop is learned: answers that end, %", "10_stop", ("the assistant's tokens", 1), ("padding by its id", 1), -80),
    Switch(11, "documents are drawn: intervals that hold the truth, %", "11_intervals", ("80", 2), ("80", 3), -15),
    Switch(11, "a test that nobody read: loss", "11_leak", ("0", 0), ("30", 0), -0.2),
    Switch(12, "blocks computed twice: MB kept", "12_activations", ("each block computed twice", 0), ("8 rows of 64 tokens", 0), 15),
    Switch(12, "the loss scaled: gradients lost, %", "12_precision", ("gradients in fp16, scaled", 1), ("gradients in fp16", 1), 70),
    Switch(12, "one divisor: how far off, %", "12_ranks", ("8", 0), ("8", 1), 15),
    Switch(13, "texts come and go: steps", "13_batching", ("four that come and go", 0), ("four, waiting for the longest", 0), 10),
    Switch(13, "the cache: millions of multiplications", "13_cache", ("160", 1), ("160", 0), 300),
    Switch(13, "small blocks: error, %", "13_bits", ("4 32", 2), ("4 256", 2), 30),
    Switch(14, "copies removed: bits of exposure", "14_secrets", ("16 copies", 1), ("16 copies", 0), 3),
    Switch(14, "noise: bits of exposure", "14_noise", ("2.0", 2), ("inf", 2), 3),
)  # fmt: skip


def read_output(chapter: int, file: str) -> str:
    """What the chapter shows that the file prints."""
    block = re.search(
        rf"<!-- output: code/{file}\.py -->\n```text\n(.*?)```",
        CHAPTERS[chapter - 1].read_text(encoding="utf-8"),
        re.DOTALL,
    )
    assert block is not None, f"chapter {chapter} shows no output of {file}.py"
    return block[1]


def read_figure(output: str, place: Place) -> float:
    """A number of the first row that begins with these words."""
    row, index = place
    words = row.split()
    for line in output.splitlines():
        if line.split()[: len(words)] == words:
            return float(NUMBER.findall(" ".join(line.split()[len(words) :]))[index].replace(",", ""))
    raise AssertionError(f"no row begins with {row!r}")


def moves_enough(output: str, switch: Switch) -> bool:
    moved = read_figure(output, switch.without) - read_figure(output, switch.with_it)
    return moved >= switch.moves_by if switch.moves_by > 0 else moved <= switch.moves_by


@pytest.mark.parametrize("switch", SWITCHES, ids=lambda switch: f"{switch.chapter}-{switch.idea}")
def test_the_figure_moves_when_the_idea_is_switched_off(switch: Switch) -> None:
    assert moves_enough(read_output(switch.chapter, switch.file), switch)


def test_each_chapter_has_such_an_experiment() -> None:
    assert {switch.chapter for switch in SWITCHES} == {int(chapter.name[:2]) for chapter in CHAPTERS}


@pytest.mark.parametrize(
    ("without", "moves_by", "enough"),
    [("15.12", 8, True), ("4.90", 8, False), ("2,000", 8, True), ("-9", 8, False), ("-9", -8, True), ("15.12", -8, False)],
)  # fmt: skip
def test_an_idea_that_changes_nothing_or_the_wrong_way_is_found(without: str, moves_by: float, enough: bool) -> None:
    output = f"words   perplexity\n 1   4.84   4.86\n 0   15.07  {without}\n"
    assert moves_enough(output, Switch(1, "", "", ("1", 1), ("0", 1), moves_by)) is enough
