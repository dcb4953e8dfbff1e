"""The charts of a run's page: loss, what preference tuning gains, and how training went; each with what a reader must know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from groundup.report.charts import Chart, Series, line_chart
from groundup.report.curves import Point, downsample, smooth
from groundup.report.facts import RunFacts
from groundup.report.pages import figure
from groundup.report.tables import LONGEST_LIST
from groundup.report.values import number
from groundup.report.wording import starting_level, words

BUCKETS = 400  # stretches that a long curve is cut into


def loss_charts(facts: RunFacts) -> list[tuple[str, str]]:
    """The loss chart for a wide and for a narrow page, each with its CSS class."""
    limit = _loss_limit(facts)
    measured: list[Point] = [(point.step, point.loss) for point in facts.validation if point.step is not None]
    series = _both_splits([(point.step, point.loss) for point in facts.training], measured, limit)
    best = facts.best
    description = "Loss over training steps, lower is better."
    if best is not None and best.loss is not None:
        description += f" Lowest validation loss {figure(best.loss)}" + (
            f" at step {best.step:,}." if best.step is not None else "."
        )
    chart = Chart(
        title="Training and validation loss",
        description=description,
        x_label="step",
        y_label=f"loss ({words(facts).loss_unit})",
        y_limit=limit,
        reference=starting_level(facts),
        marks=_resumed_steps(facts),
        marks_name="resumed",
        highlight=_best_point(facts),
    )
    shapes = (("wide", replace(chart, width=1000, height=360)), ("narrow", replace(chart, width=400, height=320)))
    return [(name, line_chart(series, shape)) for name, shape in shapes]


def _both_splits(training: list[Point], validation: list[Point], limit: float | None = None) -> list[Series]:
    """The lines of what is measured in training, smoothed if there is much of it, and of what is held out."""
    half_width = len(training) // 50
    if half_width:
        clipped: list[Point] = [(x, y if y is None or limit is None else min(y, limit)) for x, y in training]
        lines = [
            Series("training", downsample(training, BUCKETS), "faint"),
            Series("training, smoothed", downsample(smooth(clipped, half_width), BUCKETS)),
        ]
    else:
        lines = [Series("training", training)]
    return [*lines, Series("validation", downsample(validation, BUCKETS), "dots", color=1)]


def _best_point(facts: RunFacts) -> tuple[float, float, str] | None:
    """The best checkpoint's point on the validation curve, labelled with the loss measured there during training."""
    best = facts.best
    points = [
        point for point in facts.validation if best is not None and point.step == best.step and point.loss is not None
    ]
    if not points or points[0].loss is None or points[0].step is None:
        return None
    return points[0].step, points[0].loss, f"best {figure(points[0].loss)}, step {points[0].step:,}"


def _resumed_steps(facts: RunFacts) -> list[int]:
    return sorted({event.step for event in facts.events if event.event == "resumed" and event.step is not None})[
        :LONGEST_LIST
    ]


def _loss_limit(facts: RunFacts) -> float | None:
    """Where the loss axis ends, so that lone spikes don't flatten the curve: above 98 of 100 training points."""
    losses = sorted(point.loss for point in facts.training if point.loss is not None)
    if not losses:
        return None
    floor = [losses[int(0.98 * (len(losses) - 1))], losses[0] + 1.0]
    floor += [point.loss for point in facts.validation if point.loss is not None]
    level = starting_level(facts)
    if level is not None:
        floor.append(level[0])
    limit = 1.25 * max(floor)
    return limit if losses[-1] > limit else None


def loss_notes(facts: RunFacts) -> list[str]:
    """What a reader of the loss chart must know: points above its axis, and how many tokens each measurement read."""
    notes = []
    limit, best = _loss_limit(facts), facts.best
    before, after = facts.before, facts.best_in_training
    if facts.base and before and after and after.step and (after.loss or 0.0) >= (before.loss or 0.0):
        notes.append("No checkpoint does better than the base itself: on what is held out, tuning has not helped.")
    if limit is not None:
        above = [point.loss for point in facts.training if point.loss is not None and point.loss > limit]
        lie = (
            "lies above the axis and is drawn at its top"
            if len(above) == 1
            else "lie above the axis and are drawn at its top"
        )
        notes.append(f"{len(above):,} of {len(facts.training):,} training losses, up to {figure(max(above))}, {lie}.")
    read = {point.tokens for point in facts.validation if point.tokens is not None}
    if best is not None and best.final and best.tokens is not None and read - {best.tokens}:
        notes.append(
            f"The validation curve was measured on up to {max(read):,} tokens at a time, "
            f"the final figures on all {best.tokens:,}."
        )
    return notes


def preference_charts(facts: RunFacts) -> list[tuple[str, str, str]]:
    """How preference tuning goes: heading, SVG, explanation. Empty for other objectives.

    What is compared with the reference is nothing at step 0, where the model is the reference: accuracy begins behind it.
    """
    if facts.objective != "preference":
        return []
    half = (0.5, "chance")
    shown: Sequence[tuple[str, str, str, tuple[float, str] | None]] = (
        ("Accuracy", "accuracy", "Share of the pairs whose chosen answer gained more than the rejected one.", half),
        ("Margin", "margin", "Chosen reward less rejected reward, on average; the loss falls as it grows.", None),
        (
            "Chosen reward",
            "chosen_reward",
            "β times how much likelier than before tuning the chosen answers are.",
            None,
        ),
        (
            "Rejected reward",
            "rejected_reward",
            "The same for the rejected answers; it should stay below the chosen ones'.",
            None,
        ),
    )
    charts = []
    for heading, name, note, reference in shown:
        training: list[Point] = [(point.step, getattr(point, name)) for point in facts.training]
        measured: list[Point] = [
            (point.step, getattr(point, name))
            for point in facts.validation
            if point.step is not None and (point.step > 0 or reference is None)
        ]
        unit = "share of pairs" if reference else "nats"
        chart = _small(heading, unit, note, reference=reference)
        charts.append((heading, line_chart(_both_splits(training, measured), chart), note))
    return charts


def small_charts(facts: RunFacts) -> list[tuple[str, str, str]]:
    """Learning rate, gradient norm, speed and utilization: heading, SVG, explanation."""
    points = facts.training
    peak = number(facts.manifest.get("matmul_flops_per_second"))
    of_peak = (
        f"this machine's measured matrix-product speed, {figure(peak / 1e9, 3)} GFLOP/s"
        if peak
        else "the machine's matrix-product speed"
    )
    norms = [point.grad_norm for point in points if point.grad_norm]
    log_norm = bool(norms) and max(norms) > 20 * min(norms)
    mfu: list[Point] = [(point.step, None if point.mfu is None else 100 * point.mfu) for point in points]
    return [
        _small_chart(
            "Learning rate",
            "learning rate",
            [(p.step, p.learning_rate) for p in points],
            "As the recipe's schedule sets it.",
        ),
        _small_chart(
            "Gradient norm",
            "norm",
            [(p.step, p.grad_norm) for p in points],
            "Length of the whole gradient, before clipping.",
            log_norm,
        ),
        _small_chart(
            "Throughput",
            "tokens / s",
            [(p.step, p.tokens_per_second) for p in points],
            words(facts).tokens_per_second,
        ),
        _small_chart(
            "Utilization (MFU)", "% of peak", mfu, f"The network's floating-point operations as a share of {of_peak}."
        ),
    ]


def _small_chart(
    heading: str, y_label: str, points: Sequence[Point], note: str, log_y: bool = False
) -> tuple[str, str, str]:
    chart = _small(heading, y_label, note, log_y=log_y, from_zero=not log_y)
    return heading, line_chart([Series(heading.lower(), downsample(points, BUCKETS), color=2)], chart), note


def _small(heading: str, y_label: str, note: str, **others: Any) -> Chart:
    title = f"{heading} over training steps"
    return Chart(title=title, description=note, x_label="step", y_label=y_label, width=480, height=230, **others)
