"""When a step is recorded, played and given up again, on stand-ins for a card's streams and graphs; what a card makes of it: tests/gpu."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from groundup.training.recorded_step import ORDINARY, Recorder


class Graph:
    """What was asked for while it was recorded."""

    def __init__(self) -> None:
        self.asked: list[Callable[[], None]] = []

    def replay(self) -> None:
        for each in self.asked:
            each()


class Card:
    """Computes sums and maxima, and keeps what it was told to do."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.recorded: Graph | None = None

    @contextmanager
    def graph(self, graph: Graph, stream: object) -> Iterator[None]:
        self.told.append("record")
        self.recorded = graph
        yield
        self.recorded = None

    def stream(self, name: str) -> SimpleNamespace:
        def wait_stream(other: SimpleNamespace) -> None:
            self.told.append(f"{name} waits for {other.name}")

        return SimpleNamespace(name=name, device="cuda", wait_stream=wait_stream)

    def compute(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        if self.recorded is None:
            self.told.append("compute")
            return batch.sum(), batch.max()
        total, most = batch.new_zeros(()), batch.new_zeros(())  # recording computes nothing

        def again() -> None:
            self.told.append("play")
            total.copy_(batch.sum())
            most.copy_(batch.max())

        self.recorded.asked.append(again)
        return total, most


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Card:
    card = Card()
    monkeypatch.setattr("torch.cuda.Stream", lambda device: card.stream("its own"))
    monkeypatch.setattr("torch.cuda.current_stream", lambda device: card.stream("the usual"))
    monkeypatch.setattr("torch.cuda.stream", lambda stream: nullcontext())
    monkeypatch.setattr("torch.cuda.CUDAGraph", Graph)
    monkeypatch.setattr("torch.cuda.graph", card.graph)
    monkeypatch.setattr("torch.cuda.synchronize", lambda device: card.told.append("synchronize"))
    monkeypatch.setattr("torch.cuda.empty_cache", lambda: card.told.append("empty"))
    return card


def run(recorder: Recorder, card: Card, length: int, steps: int) -> None:
    """Steps of rows of a length, each of other numbers; all of what they gave stays right to the last."""
    found = []
    for step in range(steps):
        batch = torch.arange(length) + 10 * step
        found.append((*recorder.run(card.compute, batch), int(batch.sum()), int(batch.max())))
    assert [(int(total), int(most)) for total, most, *_ in found] == [(total, most) for *_, total, most in found]


ONE = ["its own waits for the usual", "compute", "the usual waits for its own"]


def test_the_fourth_step_of_a_shape_is_recorded_and_those_that_follow_are_played(card: Card) -> None:
    recorder = Recorder(torch.device("cuda"))
    run(recorder, card, 4, ORDINARY)
    assert ORDINARY == 3, "as docs/gpu.md says"
    assert card.told == ORDINARY * ONE
    assert recorder.recording is None
    card.told.clear()
    run(recorder, card, 4, 3)
    assert card.told == ["record", "play", "play", "play"]


def test_with_another_shape_it_begins_anew_and_gives_back_what_was_recorded(card: Card) -> None:
    recorder = Recorder(torch.device("cuda"))
    run(recorder, card, 4, ORDINARY + 1)
    card.told.clear()
    run(recorder, card, 6, ORDINARY + 2)
    assert card.told == ["synchronize", "empty", *ORDINARY * ONE, "record", "play", "play"]
    assert recorder.recording is not None
    assert recorder.recording.batch.shape == (6,)
    card.told.clear()
    run(recorder, card, 4, 1)
    run(recorder, card, 6, ORDINARY)
    assert card.told == ["synchronize", "empty", *(ORDINARY + 1) * ONE], "shapes that take turns are never recorded"
