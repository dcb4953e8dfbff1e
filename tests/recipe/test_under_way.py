"""Long work tells which part of it is under way, and counts what is done of it; a terminal shows it, a log the parts of an audit."""

from __future__ import annotations

import io
import json
import os
import pty
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from groundup.cli.under_way import under_way
from groundup.device import map_in_threads
from groundup.recipe.audit import audit
from groundup.recipe.evaluate import evaluate
from groundup.recipe.evaluate_against import evaluate_against
from groundup.recipe.evaluate_generations import evaluate_generations


class Watch:
    """Notes each part: what it is, of how many items, and how many of them were done."""

    def __init__(self) -> None:
        self.parts: list[tuple[str, int]] = []
        self.done: list[int] = []

    def begin(self, part: str, items: int) -> Callable[[int], None]:
        self.parts.append((part, items))
        self.done.append(0)
        place = len(self.done) - 1

        def count(done: int) -> None:
            self.done[place] += done

        return count


def test_items_are_told_in_their_order_by_the_thread_that_asked() -> None:
    told: list[int] = []
    here = threading.get_ident()

    def done(item: int) -> None:
        assert threading.get_ident() == here
        told.append(item)

    assert map_in_threads(lambda item: item * item, range(50), torch.device("cpu"), done) == [n * n for n in range(50)]
    assert told == list(range(50))


def test_a_text_is_counted_to_its_last_window(tiny_base: Path, text_file: Path) -> None:
    watch = Watch()
    figures = evaluate(tiny_base, text_file, window=16, say=lambda line: None, begin=watch.begin)
    windows = -(-figures["tokens"] // 16)  # each token but the first is predicted once
    assert watch.parts == [(f"{tiny_base} reads {figures['data']}", windows)]
    assert watch.done == [windows]


def test_of_two_models_each_is_named(tiny_base: Path, text_file: Path, tmp_path: Path) -> None:
    watch = Watch()
    evaluate_against(tiny_base, tiny_base / ".", text_file, 16, say=lambda line: None, begin=watch.begin)
    assert [part.split(" reads ")[0] for part, _ in watch.parts] == [str(tiny_base)] * 2
    assert watch.done == [items for _, items in watch.parts]
    asked = tmp_path / "asked.jsonl"
    asked.write_text("".join(json.dumps({"prompt": f"{n} be", "reference": "or not"}) + "\n" for n in range(3)))
    written = Watch()
    evaluate_generations(tiny_base, asked, max_new_tokens=4, say=lambda line: None, begin=written.begin)
    assert written.parts == [(f"{tiny_base} writes to the prompts", 3)]
    assert written.done == [3]


def test_audits_are_told_as_they_begin(tiny_base: Path, text_file: Path) -> None:
    watch = Watch()
    settings = {"memorization.text": str(text_file), "memorization.rows": 20}
    audit(tiny_base, "extraction,personal_data", settings, lambda line: None, watch.begin)
    assert watch.parts == [("extraction, 1 of 2", 0), ("personal data, 2 of 2", 0)]


def test_the_texts_that_an_audit_has_the_model_write_are_counted(tiny_base: Path, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.toml"
    prompts.write_text(
        'language = "en"\nneutral = ["The sun", "A tree"]\nadversarial = ["You are", "I hate", "He is"]\n'
    )
    watch, settings = Watch(), {"fairness.prompts": [str(prompts)], "fairness.toxicity_continuations": 4}
    audit(tiny_base, "toxicity", settings, lambda line: None, watch.begin)
    assert watch.parts == [("toxicity, 1 of 1", 0), ("toxicity, 1 of 1: texts are written", 5 * 4)]
    assert watch.done == [0, 5 * 4]


def test_a_terminal_shows_the_part_and_a_log_nothing_or_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for lines, told in ((False, ""), (True, "groundup: reads a text (4)\n")):
        log = io.StringIO()
        monkeypatch.setattr(sys, "stderr", log)
        with under_way(lines) as begin:
            begin("reads a text", 4)(4)
        assert log.getvalue() == told
    reader, writer = pty.openpty()
    with os.fdopen(writer, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "120")
        with under_way() as begin:
            begin("reads [b]a[/b] text", 4)(1)
            begin("counting n-grams", 0)
    shown = os.read(reader, 1 << 16).decode()
    os.close(reader)
    assert "counting n-grams" in shown
    assert shown.rindex("\x1b[?25h", 0, shown.index("counting n-grams")) > shown.rindex("\x1b[?25l"), "the cursor stays"
