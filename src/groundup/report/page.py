"""`write_report`: a run as one offline page, with every number read from the run's files."""

from __future__ import annotations

import base64
import hashlib
import math
import shlex
from collections.abc import Sequence
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

from groundup.report.charts import Chart, Point, Series, downsample, line_chart, smooth
from groundup.report.facts import RunFacts, Sample, read_run
from groundup.report.pages import count, duration, figure, html_templates, quoted, read_template
from groundup.report.tables import (
    LONGEST_LIST,
    data_notes,
    event_rows,
    hash_rows,
    machine_rows,
    network_shape,
    parameter_rows,
    recipe_rows,
    split_rows,
)
from groundup.report.values import number, section, whole
from groundup.run.directory import MODEL_FOLDER
from groundup.run.files import write_atomic

REPORT_FILE = "report.html"
BUCKETS = 400  # stretches that a long curve is cut into
SHOWN_SAMPLES, MORE_SAMPLES = 6, 40
LONGEST_SAMPLE = 3000  # characters


def write_report(run: Path) -> Path:
    """Write `report.html` of a run in any state, and return its path. Raises `RunError` when `run` isn't a run."""
    path = run / REPORT_FILE
    write_atomic(path, render_report(read_run(run)))
    return path


def report_is_stale(run: Path) -> bool:
    """Whether a finished run's page is missing, or older than its model."""
    page, model = run / REPORT_FILE, run / MODEL_FOLDER
    return not page.is_file() or page.stat().st_mtime_ns < model.stat().st_mtime_ns


def render_report(facts: RunFacts) -> str:
    """The report's HTML. Its policy lets no script run but its own, even if some text got past the escaping."""
    script = read_template("report.js")
    script_hash = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        html_templates()
        .get_template("report.html.j2")
        .render(
            facts=facts,
            again=shlex.join(["groundup", "train", f"{facts.path}/recipe.toml", "--run", "another-folder"]),
            script=script,
            script_hash=script_hash,
            style=read_template("report.css"),
            verdict=verdict(facts),
            tiles=tiles(facts),
            loss_charts=loss_charts(facts),
            loss_notes=loss_notes(facts),
            small_charts=small_charts(facts),
            samples=sample_rows(facts),
            parts=parameter_rows(facts),
            shape=network_shape(facts),
            recipe=recipe_rows(facts.recipe),
            sources=facts.sources[:LONGEST_LIST],
            split=split_rows(facts.data),
            data_notes=data_notes(facts.data),
            events=event_rows(facts),
            machine=machine_rows(facts.manifest),
            hashes=hash_rows(facts),
            longest=LONGEST_LIST,
        )
    )


def verdict(facts: RunFacts) -> str:
    """The run in one or two sentences."""
    max_steps = whole(section(facts.recipe, "training").get("max_steps"))
    of = f" of {max_steps:,}" if max_steps and max_steps != facts.steps else ""
    done = f"{facts.steps:,}{of} step{'s' if of or facts.steps != 1 else ''}"
    if facts.tokens is not None:
        done += f", {facts.tokens:,} tokens"
    if facts.seconds is not None:
        done += f", {duration(facts.seconds)}"
    opening = {"finished": "Finished", "stopped": "Stopped", "unfinished": "Not finished"}[facts.state]
    if facts.result.get("stopped_because") == "patience":
        opening = "Finished early, since the validation loss no longer fell"
    reasons = [event.why for event in facts.events if event.event == "stopped" and event.why]
    if facts.state == "stopped" and reasons:
        opening += f" ({reasons[-1]})"
    best = facts.best
    if best is None or best.loss is None:
        return f"{opening}: {done}. The validation loss has not been measured yet."
    found = f"validation loss {figure(best.loss)}"
    if best.perplexity is not None:
        found += f", perplexity {figure(best.perplexity, 3)}"
    if best.bits_per_byte is not None:
        found += f", {figure(best.bits_per_byte)} bits per byte"
    where = f" at step {best.step:,}" if best.step is not None else ""
    what = "Untrained" if best.step == 0 else "Best checkpoint"
    return f"{opening}: {done}. {what}{where}: {found}."


def tiles(facts: RunFacts) -> list[tuple[str, str, str]]:
    """The key figures: name, value, what it means."""
    best = facts.best
    over = f"over {best.tokens:,} held-out tokens" if best and best.tokens is not None else "on held-out text"
    speeds = sorted(point.tokens_per_second for point in facts.training if point.tokens_per_second is not None)
    return [
        ("Validation loss", figure(best.loss if best else None), "nats a token, " + over),
        ("Perplexity", figure(best.perplexity if best else None, 3), "as unsure as between so many equal choices"),
        ("Bits per byte", figure(best.bits_per_byte if best else None), "comparable across tokenizers"),
        ("Parameters", count(facts.total_parameters), f"{facts.family or 'transformer'} layout"),
        ("Training tokens", count(facts.tokens), _epochs(facts)),
        (
            "Training time",
            duration(facts.seconds),
            f"{count(speeds[len(speeds) // 2])} tokens/s, median" if speeds else "",
        ),
    ]


def _epochs(facts: RunFacts) -> str:
    size_of_split = number(section(facts.data, "tokens").get("train"))
    if not size_of_split or facts.tokens is None:
        return ""
    return f"{facts.tokens / size_of_split:.2f} × the training text"


def loss_charts(facts: RunFacts) -> list[tuple[str, str]]:
    """The loss chart for a wide and for a narrow page, each with its CSS class."""
    raw: list[Point] = [(point.step, point.loss) for point in facts.training]
    limit = _loss_limit(facts)
    clipped: list[Point] = [(x, y if y is None or limit is None else min(y, limit)) for x, y in raw]
    half_width = len(raw) // 50
    series = []
    if half_width:
        series.append(Series("training", downsample(raw, BUCKETS), "faint"))
        series.append(Series("training, smoothed", downsample(smooth(clipped, half_width), BUCKETS)))
    else:
        series.append(Series("training", raw))
    measured: list[Point] = [(point.step, point.loss) for point in facts.validation if point.step is not None]
    series.append(Series("validation", downsample(measured, BUCKETS), "dots", color=1))
    vocab_size, best = facts.vocab_size, facts.best
    guessing = math.log(vocab_size) if vocab_size and vocab_size > 1 else None
    description = "Loss over training steps, lower is better."
    if best is not None and best.loss is not None:
        description += f" Lowest validation loss {figure(best.loss)}" + (
            f" at step {best.step:,}." if best.step is not None else "."
        )
    chart = Chart(
        title="Training and validation loss",
        description=description,
        x_label="step",
        y_label="loss (nats per token)",
        y_limit=limit,
        reference=(guessing, f"guessing: ln {vocab_size:,} = {guessing:.2f}") if guessing else None,
        marks=_resumed_steps(facts),
        marks_name="resumed",
        highlight=_best_point(facts),
    )
    shapes = (("wide", replace(chart, width=1000, height=360)), ("narrow", replace(chart, width=400, height=320)))
    return [(name, line_chart(series, shape)) for name, shape in shapes]


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
    if facts.vocab_size:
        floor.append(math.log(facts.vocab_size))
    limit = 1.25 * max(floor)
    return limit if losses[-1] > limit else None


def loss_notes(facts: RunFacts) -> list[str]:
    """What a reader of the loss chart must know: points above its axis, and how many tokens each measurement read."""
    notes = []
    limit, best = _loss_limit(facts), facts.best
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
            "Training tokens read each second.",
        ),
        _small_chart(
            "Utilization (MFU)", "% of peak", mfu, f"The network's floating-point operations as a share of {of_peak}."
        ),
    ]


def _small_chart(
    heading: str, y_label: str, points: Sequence[Point], note: str, log_y: bool = False
) -> tuple[str, str, str]:
    chart = Chart(
        title=f"{heading} over training steps",
        description=note,
        x_label="step",
        y_label=y_label,
        log_y=log_y,
        from_zero=not log_y,
        width=480,
        height=230,
    )
    return heading, line_chart([Series(heading.lower(), downsample(points, BUCKETS), color=2)], chart), note


def sample_rows(facts: RunFacts) -> dict[str, Any]:
    """Samples from the first to the last: those shown at once, more of them, and how many there are in all."""
    losses = {point.step: point.loss for point in facts.validation}
    final, texts = facts.final_sample, list(facts.samples)
    if final is not None and final not in texts:
        texts.append(final)
    shown = spread(len(texts), SHOWN_SAMPLES)
    more = (
        [index for index in spread(len(texts), MORE_SAMPLES) if index not in shown] if len(texts) > len(shown) else []
    )

    def row(index: int) -> dict[str, Any]:
        sample = texts[index]
        loss = losses.get(sample.step)
        return {
            "title": _sample_title(sample, sample == final),
            "loss": None if loss is None else figure(loss, 3),
            "prompt": sample.prompt[:LONGEST_SAMPLE],
            "text": sample.text[:LONGEST_SAMPLE],
            "cut": max(0, len(sample.text) - LONGEST_SAMPLE),
        }

    prompts = {texts[index].prompt for index in shown}
    if any(prompt.strip() for prompt in prompts):
        prompted = " <mark>The prompt</mark> was given; the rest is the model's."
    elif any(prompts):  # spaces and line breaks, which would not be seen
        prompted = f" The prompt was <code>{escape(quoted(max(prompts)))}</code>; all that is seen is the model's."
    else:
        prompted = " There was no prompt: all of it is the model's."
    return {
        "prompted": prompted,
        "shown": [row(index) for index in shown],
        "more": [row(index) for index in more],
        "total": len(texts),
    }


def _sample_title(sample: Sample, is_final: bool) -> str:
    step = "sample" if sample.step is None else f"step {sample.step:,}"
    return f"best checkpoint, {step}" if is_final else step


def spread(total: int, wanted: int) -> list[int]:
    """Up to `wanted` of `total` indices, first and last among them, denser early on, where the text changes most."""
    if total <= wanted:
        return list(range(total))
    return sorted({round((total - 1) * (place / (wanted - 1)) ** 1.7) for place in range(wanted)})
