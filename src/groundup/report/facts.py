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
from groundup.report.points import (
    Base,
    Event,
    Sample,
    Source,
    TrainingPoint,
    Validation,
    by_kind_and_step,
    read_base,
    read_event,
    read_sample,
    read_training_point,
    read_validation,
)
from groundup.report.values import clean, listing, number, section, text, whole
from groundup.run.directory import EVENTS_FILE, MANIFEST_FILE, METRICS_FILE, RECIPE_FILE, RESULT_FILE, SAMPLES_FILE
from groundup.run.files import read_json
from groundup.run.records import read_records


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
        """Tokens that carried loss so far: of texts all that were read, of rows those that are learned."""
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
            figures = read_validation(
                section(self.result, "validation"), step=whole(self.result.get("best_step")), final=True
            )
            if figures.loss is not None:
                return figures
        measured = [point for point in self.validation if point.loss is not None]
        trained = [point for point in measured if point.step != 0]  # what isn't trained is never kept as best
        measured = trained or measured
        return min(measured, key=lambda point: point.loss or 0.0, default=None)

    @property
    def before(self) -> Validation | None:
        """What was measured before the first step: an untrained network, or the base as it was."""
        return next((point for point in self.validation if point.step == 0 and point.loss is not None), None)

    @property
    def best_in_training(self) -> Validation | None:
        """The best checkpoint as it was measured in training, over the same tokens as `before`."""
        step = self.best.step if self.best else None
        return next((point for point in self.validation if point.step == step and point.loss is not None), None)

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
    def training_settings(self) -> dict[str, Any]:
        """The recipe's [training] section."""
        return section(self.recipe, "training")

    @property
    def objective(self) -> str:
        """language_model, instruction or preference; the first where nothing is said."""
        told = text(self.training_settings.get("objective")) or text(self.labels.get("objective"))
        return told or "language_model"

    @property
    def answers(self) -> bool:
        """Whether the model was taught to answer, not to continue texts."""
        return self.objective in ("instruction", "preference")

    @property
    def lora(self) -> dict[str, Any] | None:
        """The settings of the adapters, if only these were trained."""
        training = self.training_settings
        return section(training, "lora") if training.get("method") == "lora" else None

    @property
    def base(self) -> Base | None:
        """The model that training started from; None for a network of its own."""
        return read_base(section(self.model, "base"))

    @property
    def data(self) -> dict[str, Any]:
        return section(self.manifest, "data")

    @property
    def labels(self) -> dict[str, Any]:
        """Which tokens of rows are learned; empty for texts."""
        return section(self.data, "labels")

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
        """Parameters by part, without the total; parts of none are left out."""
        counts = {part: whole(count) for part, count in section(self.model, "parameters").items() if part != "total"}
        return {part: count for part, count in counts.items() if count is not None and count > 0}

    @property
    def total_parameters(self) -> int | None:
        return whole(section(self.model, "parameters").get("total"))

    @property
    def trained_parameters(self) -> int | None:
        """How many parameters were trained: all, or those of the adapters, which stand beside the others."""
        told = whole(self.model.get("trainable"))
        return self.total_parameters if told is None and self.lora is None else told

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
    metrics = by_kind_and_step(read_records(run / METRICS_FILE))
    training = [read_training_point(record) for record in metrics if record.get("kind") == "train"]
    validation = [
        read_validation(record, step=record["step"]) for record in metrics if record.get("kind") == "validation"
    ]
    recipe_text = without_canary_seed(_read_text(run / RECIPE_FILE, notes))
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
        events=[read_event(clean(record)) for record in read_records(run / EVENTS_FILE)],
        samples=[read_sample(clean(record)) for record in read_records(run / SAMPLES_FILE)],
        result=_read_result(run / RESULT_FILE, notes),
        notes=notes,
    )


def _read_text(path: Path, notes: list[str]) -> str:
    try:
        return str(clean(path.read_text(encoding="utf-8", errors="replace")))
    except OSError:
        notes.append(f"{path.name} is missing.")
        return ""


def without_canary_seed(recipe_text: str) -> str:
    """A recipe's text without what planted secrets follow from, so that they stay in the run: what is published must not tell them."""
    lines, inside = recipe_text.splitlines(keepends=True), False
    for place, line in enumerate(lines):
        inside = line.strip() == "[data.canaries]" if line.startswith("[") else inside
        if inside and line.startswith("seed = "):
            lines[place] = f"# seed: in the run's {RECIPE_FILE}, so that the secrets stay there\n"
    return "".join(lines)


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
