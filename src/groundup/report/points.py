"""What single lines of a run's files say: a logged step, a validation, a sample, a source, an event; and these read from records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from groundup.report.values import number, text, whole
from groundup.run.records import Record
from groundup.text.catalogue import MODELS, ModelEntry
from groundup.text.remote import is_hub_id

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
    accuracy: float | None
    """Preference tuning: share of the pairs whose chosen answer gained more than the rejected one."""
    margin: float | None
    """And by how much more, in nats, as the rewards are: β times how much likelier than before tuning an answer is."""
    chosen_reward: float | None
    rejected_reward: float | None


@dataclass(frozen=True)
class Validation:
    """One measurement of what is held out: loss in nats a token (a pair), the others as in the file."""

    step: int | None
    loss: float | None
    perplexity: float | None
    bits_per_byte: float | None
    tokens: int | None
    bytes: int | None = None
    window: int | None = None
    seconds: float | None = None
    final: bool = False
    """Whether it is the figure of the finished run, over all that is held out."""
    accuracy: float | None = None
    """Of preference tuning, as in `TrainingPoint`."""
    margin: float | None = None
    chosen_reward: float | None = None
    rejected_reward: float | None = None
    pairs: int | None = None


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
class Base:
    """The model that a training started from."""

    name: str
    """As a page shows it: a folder elsewhere by its last part."""
    sha256: str
    """Of its weights."""
    entry: ModelEntry | None
    """Of the catalogue, if it is one of those."""
    hub_id: str
    """`owner/name` on the Hugging Face hub, or empty."""

    @property
    def is_gguf(self) -> bool:
        """Whether its weights come from a GGUF file, whose numbers have mostly few bits."""
        return (self.entry.member if self.entry else self.name).endswith(".gguf")


@dataclass(frozen=True)
class Event:
    """One line of the run's history; `details` is whatever else the line says."""

    time: str
    event: str
    step: int | None
    why: str
    details: dict[str, Any]


def by_kind_and_step(records: Sequence[Record]) -> list[Record]:
    """Lines that name a step, in its order; where a step was taken twice, the later line counts."""
    latest = {(text(record.get("kind")), step): record for record in records if (step := step_of(record)) is not None}
    return [{**latest[key], "step": key[1]} for key in sorted(latest, key=lambda key: key[1])]


def step_of(record: Record) -> int | None:
    """The step that a line names, if one can be at that place."""
    step = whole(record.get("step"))
    return step if step is not None and 0 <= step <= LARGEST_STEP else None


def read_training_point(record: Record) -> TrainingPoint:
    """A logged step of a line that names one."""
    return TrainingPoint(
        record["step"], *(number(record.get(field.name)) for field in fields(TrainingPoint) if field.name != "step")
    )


def read_validation(record: Record, step: int | None, final: bool = False) -> Validation:
    """A measurement, be it of a line or of the result."""
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
        accuracy=number(record.get("accuracy")),
        margin=number(record.get("margin")),
        chosen_reward=number(record.get("chosen_reward")),
        rejected_reward=number(record.get("rejected_reward")),
        pairs=whole(record.get("pairs")),
    )


def read_sample(record: Record) -> Sample:
    """A sample of a cleaned line."""
    return Sample(step_of(record), text(record.get("prompt")), text(record.get("text")))


def read_event(record: Record) -> Event:
    """An event of a cleaned line."""
    details = {key: value for key, value in record.items() if key not in ("time", "event", "step", "why")}
    return Event(text(record.get("time")), text(record.get("event")), step_of(record), text(record.get("why")), details)


def read_base(named: dict[str, Any]) -> Base | None:
    """The base as a manifest names it; None if it names none."""
    name = text(named.get("name"))
    if not name:
        return None
    entry = MODELS.get(name)
    address = name.split("://", 1)[1] if is_hub_id(name) else ""
    hub_id = entry.hub_id if entry else address.split("@", 1)[0]
    shown = address or (Path(name).name if Path(name).is_absolute() else name)
    return Base(shown, text(named.get("sha256")), entry, hub_id)
