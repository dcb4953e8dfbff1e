"""A step on a CUDA card, recorded once and played again: the host asks for one thing, where it asked for hundreds.

A card computes one small operation after the other in a few microseconds; Python takes ten times as long to ask for each. So a small
network's step waited for the host, and a large one's on a slow host, too. A CUDA graph (NVIDIA, CUDA C++ Programming Guide, "CUDA
Graphs") is what a stream was asked for, to be asked for again as a whole. It computes the same numbers in the same order, from the same
places in memory; so whatever changes from step to step, the batch, the learning rate, the step's number, stands in such a place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

ORDINARY = 3
"""Steps of a shape that are taken as ever before one is recorded: kernels are chosen and compiled in these."""
Compute = Callable[[Tensor], tuple[Tensor, Tensor]]
"""All that the device does in a step: of a batch (B, …) the means of loss and figures, and the gradient's norm."""


class Recording(NamedTuple):
    """A step of one shape."""

    graph: torch.cuda.CUDAGraph
    batch: Tensor
    """Where it reads its rows."""
    means: Tensor
    grad_norm: Tensor


class Recorder:
    """Takes steps, and records one whose shape comes again and again; of another shape it begins anew.

    What it is given has to be the same operations for every batch of one shape, never wait for the host, and draw from PyTorch's default
    generator alone, which is seeded before each step. All of it runs on a stream of its own, as recording asks for.
    """

    def __init__(self, device: torch.device) -> None:
        self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self.shape: tuple[int, ...] = ()
        self.taken = 0
        self.recording: Recording | None = None

    def run(self, compute: Compute, batch: Tensor) -> tuple[Tensor, Tensor]:
        """What `compute` gives of the batch; that it stays the same function for batches of one shape is up to the caller."""
        if tuple(batch.shape) != self.shape:
            self._begin(tuple(batch.shape))
        if self.recording is None and self.taken < ORDINARY:
            self.taken += 1
            return self._ordinary(compute, batch)
        if self.recording is None:
            self.recording = self._record(compute, batch)
        self.recording.batch.copy_(batch)
        self.recording.graph.replay()
        return self.recording.means.clone(), self.recording.grad_norm.clone()  # the next one writes to the same places

    def _begin(self, shape: tuple[int, ...]) -> None:
        """With another shape: the last one's places, a step's memory, go back to the card. PyTorch would keep them for the next recording,
        beside what the ordinary steps before it take."""
        if self.recording is not None:
            torch.cuda.synchronize(self.stream.device)
            self.recording = None
            torch.cuda.empty_cache()
        self.shape, self.taken = shape, 0

    def _ordinary(self, compute: Compute, batch: Tensor) -> tuple[Tensor, Tensor]:
        now = torch.cuda.current_stream(batch.device)
        self.stream.wait_stream(now)
        with torch.cuda.stream(self.stream):
            means, grad_norm = compute(batch)
        now.wait_stream(self.stream)
        return means, grad_norm

    def _record(self, compute: Compute, batch: Tensor) -> Recording:
        """Nothing is computed by that; the first replay is the step."""
        graph, place = torch.cuda.CUDAGraph(), batch.clone()
        with torch.cuda.graph(graph, stream=self.stream):
            means, grad_norm = compute(place)
        return Recording(graph, place, means, grad_norm)
