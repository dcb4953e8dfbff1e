"""`read_run`: everything a run directory says about itself, read once, for the report and the model card.

Forgiving, since a run may still be under way or have been cut off: missing files, half lines, NaN and null are answered
with less, not with an error. Only a directory without a readable manifest is refused.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundup.errors import RunError
from groundup.report.values import clean, listing, number, section, text, whole
from groundup.run.directory import EVENTS_FILE, MANIFEST_FILE, METRICS_FILE, RECIPE_FILE, RESULT_FILE, SAMPLES_FILE
from groundup.run.files import read_json
from groundup.run.records import Record, read_records

LARGEST_STEP = 10**12  # a number beyond it is no step


@dataclass(frozen=True)
class TrainingPoint:
    """One logged step; None where the file has no finite number."""

    step: int
    loss: float | None
    learning_rate: float | None
    grad_norm: float | None
    tokens: float | None
    tokens_per_second: float | None
    mfu: float | None
    seconds: float | None
    skipped_steps: float | None


@dataclass(frozen=True)
class Validation:
    """One measurement of the held-out text: loss in nats a token, the others as in the file."""

    step: int | None
    loss: float | None
    perplexity: float | None
    bits_per_byte: float | None
    tokens: int | None
    bytes: int | None = None
    window: int | None = None
    seconds: float | None = None
    final: bool = False
    """Whether it is the figure of the finished run, over the whole validation text."""


@dataclass(frozen=True)
class Sample:
    """What the model wrote at one step."""

    step: int | None
    prompt: str
    text: str


@dataclass(frozen=True)
class Source:
    """One source of the text trained on; empty or None where the manifest doesn't say."""

    name: str
    origin: str
    license: str
    documents: int | None
    bytes: int | None
    sha256: str
    archive_sha256: str


@dataclass(frozen=True)
class Event:
    """One line of the run's history; `details` is whatever else the line says."""

    time: str
    event: str
    step: int | None
    why: str
    details: dict[str, Any]


@dataclass(frozen=True)
class RunFacts:
    """What the files of one run directory say. `manifest`, `recipe` and `result` are as read, cleaned."""

    path: str
    """The folder, as the command that wrote the report named it."""
    name: str
    manifest: dict[str, Any]
    recipe: dict[str, Any]
    recipe_text: str
    training: Sequence[TrainingPoint]
    validation: Sequence[Validation]
    events: Sequence[Event]
    samples: Sequence[Sample]
    result: dict[str, Any]
    notes: Sequence[str]
    """What could not be read, or isn't a number, each as a sentence."""

    @property
    def state(self) -> str:
        """`finished`, `stopped` (and may go on), or `unfinished`: still training, or ended without a word."""
        if self.result:
            return "finished"
        turns = [event.event for event in self.events if event.event in ("started", "resumed", "stopped")]
        return "stopped" if turns and turns[-1] == "stopped" else "unfinished"

    @property
    def steps(self) -> int:
        """Optimizer steps taken, as far as the files tell."""
        told: list[int | None] = [
            whole(self.result.get("steps")),
            *(point.step for point in self.training),
            *(point.step for point in self.validation),
        ]
        told += [event.step for event in self.events]
        return max((step for step in told if step is not None), default=0)

    @property
    def seconds(self) -> float | None:
        """Training time so far."""
        told = [point.seconds for points in (self.training, self.validation) for point in points]
        final = number(self.result.get("seconds"))
        return final if final is not None else max((time for time in told if time is not None), default=None)

    @property
    def tokens(self) -> int | None:
        """Training tokens read so far."""
        final = whole(self.result.get("tokens"))
        return (
            final
            if final is not None
            else whole(max((p.tokens for p in self.training if p.tokens is not None), default=None))
        )

    @property
    def best(self) -> Validation | None:
        """The finished run's figures, or else the best checkpoint's so far, or else the untrained network's; None without any."""
        if self.result:
            figures = _validation(
                section(self.result, "validation"), step=whole(self.result.get("best_step")), final=True
            )
            if figures.loss is not None:
                return figures
        measured = [point for point in self.validation if point.loss is not None]
        trained = [point for point in measured if point.step != 0]  # what isn't trained is never kept as best
        measured = trained or measured
        return min(measured, key=lambda point: point.loss or 0.0, default=None)

    @property
    def final_sample(self) -> Sample | None:
        """What the best checkpoint of a finished run wrote."""
        written = text(self.result.get("sample"))
        return (
            Sample(whole(self.result.get("best_step")), text(self.result.get("sample_prompt")), written)
            if written
            else None
        )

    @property
    def data(self) -> dict[str, Any]:
        return section(self.manifest, "data")

    @property
    def sources(self) -> list[Source]:
        """The texts trained on."""
        found = [source for source in listing(self.data, "sources") if isinstance(source, dict)]
        return [
            Source(
                name=text(source.get("name")),
                origin=text(source.get("origin")),
                license=text(source.get("license")),
                documents=whole(source.get("documents")),
                bytes=whole(source.get("bytes")),
                sha256=text(source.get("sha256")),
                archive_sha256=text(source.get("archive_sha256")),
            )
            for source in found
        ]

    @property
    def model(self) -> dict[str, Any]:
        return section(self.manifest, "model")

    @property
    def config(self) -> dict[str, Any]:
        """The network's `TransformerConfig`."""
        return section(self.model, "config")

    @property
    def family(self) -> str:
        return text(self.model.get("family"))

    @property
    def parameters(self) -> dict[str, int]:
        """Trainable parameters by part, without the total; parts of none are left out."""
        counts = {part: whole(count) for part, count in section(self.model, "parameters").items() if part != "total"}
        return {part: count for part, count in counts.items() if count is not None and count > 0}

    @property
    def total_parameters(self) -> int | None:
        return whole(section(self.model, "parameters").get("total"))

    @property
    def vocab_size(self) -> int | None:
        size = whole(self.config.get("vocab_size"))
        return size if size else whole(section(self.data, "tokenizer").get("vocab_size"))


def read_run(run: Path) -> RunFacts:
    """Read a run directory in whatever state it is. Raises `RunError` when it isn't one, or its manifest is damaged."""
    if not (run / MANIFEST_FILE).is_file():
        raise RunError(
            f"{run} is not a run: it has no {MANIFEST_FILE}; "
            "name a folder that `groundup train` made, e.g. runs/shakespeare"
        )
    notes: list[str] = []
    metrics = _by_kind_and_step(read_records(run / METRICS_FILE))
    training = [_training_point(record) for record in metrics if record.get("kind") == "train"]
    validation = [_validation(record, step=record["step"]) for record in metrics if record.get("kind") == "validation"]
    recipe_text = _read_text(run / RECIPE_FILE, notes)
    for kind, lost in (("training", training), ("validation", validation)):
        missing = sum(point.loss is None for point in lost)
        if missing:
            notes.append(
                f"{missing:,} of {len(lost):,} {kind} losses in {METRICS_FILE} are not finite: gaps in the curve."
            )
    return RunFacts(
        name=clean(run.resolve().name),
        path=clean(str(run)),
        manifest=clean(read_json(run / MANIFEST_FILE)),
        recipe=_parse_recipe(recipe_text, notes),
        recipe_text=recipe_text,
        training=training,
        validation=validation,
        events=[_event(clean(record)) for record in read_records(run / EVENTS_FILE)],
        samples=[_sample(clean(record)) for record in read_records(run / SAMPLES_FILE)],
        result=_read_result(run / RESULT_FILE, notes),
        notes=notes,
    )


def _by_kind_and_step(records: Sequence[Record]) -> list[Record]:
    """Lines that name a step, in its order; where a step was taken twice, the later line counts."""
    latest = {(text(record.get("kind")), step): record for record in records if (step := _step(record)) is not None}
    return [{**latest[key], "step": key[1]} for key in sorted(latest, key=lambda key: key[1])]


def _step(record: Record) -> int | None:
    """The step that a line names, if one can be at that place."""
    step = whole(record.get("step"))
    return step if step is not None and 0 <= step <= LARGEST_STEP else None


def _training_point(record: Record) -> TrainingPoint:
    names = ("loss", "learning_rate", "grad_norm", "tokens", "tokens_per_second", "mfu", "seconds", "skipped_steps")
    return TrainingPoint(record["step"], *(number(record.get(name)) for name in names))


def _validation(record: Record, step: int | None, final: bool = False) -> Validation:
    return Validation(
        step=step,
        loss=number(record.get("loss")),
        perplexity=number(record.get("perplexity")),
        bits_per_byte=number(record.get("bits_per_byte")),
        tokens=whole(record.get("tokens")),
        bytes=whole(record.get("bytes")),
        window=whole(record.get("window")),
        seconds=number(record.get("seconds")),
        final=final,
    )


def _sample(record: Record) -> Sample:
    return Sample(_step(record), text(record.get("prompt")), text(record.get("text")))


def _event(record: Record) -> Event:
    details = {key: value for key, value in record.items() if key not in ("time", "event", "step", "why")}
    return Event(text(record.get("time")), text(record.get("event")), _step(record), text(record.get("why")), details)


def _read_text(path: Path, notes: list[str]) -> str:
    try:
        return str(clean(path.read_text(encoding="utf-8", errors="replace")))
    except OSError:
        notes.append(f"{path.name} is missing.")
        return ""


def _parse_recipe(recipe_text: str, notes: list[str]) -> dict[str, Any]:
    try:
        recipe: dict[str, Any] = clean(tomllib.loads(recipe_text))
    except tomllib.TOMLDecodeError:
        notes.append(f"{RECIPE_FILE} is not valid TOML; it is shown as it stands.")
        return {}
    return recipe


def _read_result(path: Path, notes: list[str]) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        result: dict[str, Any] = clean(read_json(path))
    except RunError:
        notes.append(f"{path.name} is damaged; the run is shown as unfinished.")
        return {}
    return result
