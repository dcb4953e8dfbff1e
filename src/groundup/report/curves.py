"""What a chart draws of many measurements: each spike and gap of a long run, and a smooth line through them. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeGuard

Point = tuple[float, float | None]
"""x and y; a y that is None or not finite is a gap in the line."""
LARGEST = 1e100  # beyond this a "measurement" is a gap: differences must not overflow


def downsample(points: Sequence[Point], buckets: int) -> list[Point]:
    """At most three points for each of `buckets` stretches: its lowest, its highest and its first gap, in order.

    So no spike and no gap disappears, however long the run was.
    """
    if len(points) <= 3 * buckets:
        return list(points)
    kept: list[Point] = []
    for bucket in range(buckets):
        stretch = points[bucket * len(points) // buckets : (bucket + 1) * len(points) // buckets]
        finite = [index for index, (_, y) in enumerate(stretch) if usable(y)]
        chosen = {next((index for index, (_, y) in enumerate(stretch) if not usable(y)), -1)} - {-1}
        if finite:
            chosen |= {
                min(finite, key=lambda index: stretch[index][1] or 0.0),
                max(finite, key=lambda index: stretch[index][1] or 0.0),
            }
        kept += [stretch[index] for index in sorted(chosen)]
    return kept


def smooth(points: Sequence[Point], half_width: int) -> list[Point]:
    """Each y as the mean of its neighbours, up to `half_width` on each side; gaps stay gaps and count for nothing.

    Near the start the window shrinks to both sides alike, since the loss falls steeply there; at the end it looks back.
    """
    sums, counts = [0.0], [0]
    for _, y in points:
        sums.append(sums[-1] + (y if usable(y) else 0.0))
        counts.append(counts[-1] + usable(y))
    smoothed: list[Point] = []
    for index, (x, y) in enumerate(points):
        reach = min(half_width, index)
        begin, end = index - reach, min(index + reach, len(points) - 1) + 1
        smoothed.append((x, (sums[end] - sums[begin]) / (counts[end] - counts[begin]) if usable(y) else None))
    return smoothed


def usable(y: float | None) -> TypeGuard[float]:
    """Whether a value can be drawn."""
    return y is not None and abs(y) < LARGEST  # False for NaN, too
