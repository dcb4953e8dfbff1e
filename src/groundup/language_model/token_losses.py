"""The losses of a text's tokens under a model, window by window: what scoring and evaluation both sum."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from groundup.device import map_in_threads
from groundup.generation.forward import evaluating
from groundup.language_model.sliced_scores import sliced_scores
from groundup.model.transformer import Transformer

TOKENS_AT_ONCE = 2**14  # enough to keep a processor busy, few enough for its memory
IGNORED = -100  # the target of a token that is not predicted


class Window(NamedTuple):
    """One pass over part of a text: tokens [start, end) of `ids` are read, and those at places first … end are predicted."""

    ids: Any
    """(N,) the text's ids."""
    start: int
    first: int
    end: int
    segments: Any = None
    """(end - start,) to which document each token that is read belongs, if it is to see that one only."""


class Predictions(NamedTuple):
    """What a model gave to each of N tokens that it predicted."""

    losses: NDArray[np.float32]
    """(N,) -log p(token), in nats."""
    confidences: NDArray[np.float32]
    """(N,) the probability of the likeliest token, right or wrong."""
    right: NDArray[np.bool_]
    """(N,) whether the likeliest token is the one that came."""


def window_predictions(
    model: Transformer,
    windows: Sequence[Window],
    batch_size: int = 32,
    done: Callable[[int], None] = lambda windows: None,
) -> Predictions:
    """The predictions of all windows, in their order; `done` is told of so many more that were read. As `window_losses` otherwise."""
    with evaluating(model):
        device = model.token_embedding.weight.device
        batches = list(_batches(windows, batch_size))
        parts = map_in_threads(partial(_batch_predictions, model), batches, device, lambda batch: done(len(batch)))
    return join(parts)


def join(parts: Sequence[Predictions]) -> Predictions:
    """Several predictions as one."""
    return Predictions(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _batch_predictions(model: Transformer, batch: Sequence[Window]) -> Predictions:
    return predict_targets(model, *_inputs_and_targets(batch))


def predict_targets(
    model: Transformer, inputs: NDArray[np.int64], targets: NDArray[np.int64], segments: NDArray[np.int64] | None = None
) -> Predictions:
    """The predictions of the targets (B, T) that aren't `IGNORED`, row by row, from the inputs (B, T)."""
    device = model.token_embedding.weight.device
    segment_ids = None if segments is None else torch.from_numpy(segments).to(device)
    hidden = model.hidden_states(torch.from_numpy(inputs).to(device), segment_ids=segment_ids).flatten(0, 1)  # (B·T, D)
    wanted = torch.from_numpy(targets).to(device).flatten()  # (B·T,)
    predicted = wanted != IGNORED
    hidden, wanted = hidden[predicted], wanted[predicted]  # (N, D), (N,)
    scores = sliced_scores(model, hidden, wanted)
    losses, confidences = scores.total - scores.targets, (scores.highest - scores.total).exp()
    right = scores.targets == scores.highest
    return Predictions(losses.cpu().numpy(), confidences.cpu().numpy(), right.cpu().numpy())


def window_losses(model: Transformer, windows: Sequence[Window], batch_size: int = 32) -> list[float]:
    """For each window, the sum of -log p(token | those before it in the window) over what it predicts, in nats.

    Dropout is off. At most `batch_size` windows are read at once, fewer where they are long; a large vocabulary takes no more memory
    than a small one.
    """
    with evaluating(model):
        device = model.token_embedding.weight.device
        sums = map_in_threads(partial(_batch_losses, model), list(_batches(windows, batch_size)), device)
    return [loss for batch in sums for loss in batch]


def _batch_losses(model: Transformer, batch: Sequence[Window]) -> list[float]:
    device = model.token_embedding.weight.device
    inputs, targets, segments = _inputs_and_targets(batch)
    segment_ids = None if segments is None else torch.from_numpy(segments).to(device)
    hidden = model.hidden_states(torch.from_numpy(inputs).to(device), segment_ids=segment_ids).flatten(0, 1)  # (B·T, D)
    wanted = torch.from_numpy(targets).to(device).flatten()  # (B·T,)
    predicted = wanted != IGNORED
    scores = sliced_scores(model, hidden[predicted], wanted[predicted])
    losses = torch.zeros(len(hidden), dtype=scores.total.dtype, device=device)
    losses[predicted] = scores.total - scores.targets
    # On the host: not every device has float64.
    sums: list[float] = losses.cpu().double().view(len(batch), -1).sum(dim=1).tolist()
    return sums


def _batches(windows: Sequence[Window], batch_size: int) -> Iterator[Sequence[Window]]:
    """Windows that together, each as long as the longest of them, stay below `TOKENS_AT_ONCE` (one, if it alone is longer)."""
    begin = longest = 0
    for place, window in enumerate(windows):
        grown = max(longest, window.end - window.start)
        if place > begin and (place - begin == batch_size or grown * (place - begin + 1) > TOKENS_AT_ONCE):
            yield windows[begin:place]
            begin, grown = place, window.end - window.start
        longest = grown
    if windows:
        yield windows[begin:]


def _inputs_and_targets(windows: Sequence[Window]) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Inputs, targets and documents (B, T) of some windows; shorter ones are filled up on the right, with targets that don't count."""
    length = max(window.end - window.start for window in windows)
    inputs = np.zeros((len(windows), length), dtype=np.int64)
    targets = np.full((len(windows), length), IGNORED, dtype=np.int64)
    segments = None if windows[0].segments is None else np.full((len(windows), length), -1, dtype=np.int64)
    for row, (ids, start, first, end, of_window) in enumerate(windows):
        if segments is not None:
            segments[row, : end - start] = of_window
        inputs[row, : end - start] = ids[start:end]
        # What comes before `first`, another window predicts.
        targets[row, first - 1 - start : end - start] = ids[first : end + 1]
    return inputs, targets, segments
