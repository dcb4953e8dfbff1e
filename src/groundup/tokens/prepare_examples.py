"""From files of rows to what training on them reads: marked rows, a split, example stores and their plan, kept by their content."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from groundup.errors import NO_VALUE, DataError, GroundupError, SettingError, TokenizerError
from groundup.files import replacing, sha256_text
from groundup.text.bad_input import BadInput
from groundup.text.cache import locked
from groundup.text.collect import require_apart
from groundup.text.duplicates.exact import exact_duplicates
from groundup.text.duplicates.split import held_out
from groundup.text.settings import DataSettings
from groundup.text.show_progress import reading_progress
from groundup.text.source_rows import read_source_rows, with_catalogue_rows
from groundup.text.sources import Say, Source, all_here, find_sources, source_hashes
from groundup.tokens.chat_template import ChatTemplate
from groundup.tokens.chat_templates import padding_id, with_template
from groundup.tokens.example_facts import describe_examples, describe_unknown, problems
from groundup.tokens.example_plan import plan_examples
from groundup.tokens.example_store import ExampleStore, write_examples
from groundup.tokens.mark_examples import WANTED, Marker, Tally
from groundup.tokens.prepared_examples import (
    FACTS_FILE,
    PLAN_FILE,
    TRAIN_FILE,
    VALIDATION_FILE,
    PreparedExamples,
    hashes_of,
    open_examples,
)
from groundup.tokens.tokenizer import CONFIG_FILE, Tokenizer

FORMAT_VERSION = 5
WORTH_SHOWING = 2**20  # bytes of rows that take a while
OF_TEXTS = (
    "text_field",
    "weights",
    "temperature",
    "mix_by",
    "language_tags",
    "fim_rate",
    "cleaning",
    "quality",
    "decontamination",
    "privacy",
)
"""Settings of `[data]` that are for texts: nothing is done to rows by them, so none may ask for it."""


def prepare_examples(
    data: DataSettings,
    tokenizer: Tokenizer,
    objective: str,
    sequence_length: int,
    batch_size: int,
    cache: Path,
    say: Say,
    folder: Path = Path(),
) -> PreparedExamples:
    """Read the rows of `data.source`, mark what is learned, split, and write example stores and the plan.

    `tokenizer` has all special tokens of its template; `objective`: instruction or preference; an example has at most
    `sequence_length` tokens. The result lies in the cache under a hash of all that went in, and is reused when it is whole.
    Relative sources begin at `folder`. Raises `DataError` when there are no rows to train on or to hold out, when a row can't be
    used (unless `data.skip_bad`), and when training on them would be in vain: see `require_examples`.
    """
    prepared = prepare_unchecked(data, tokenizer, objective, sequence_length, batch_size, cache, say, folder)
    require_examples(prepared, data, batch_size, say)
    return prepared


def prepare_unchecked(
    data: DataSettings,
    tokenizer: Tokenizer,
    objective: str,
    sequence_length: int,
    batch_size: int,
    cache: Path,
    say: Say,
    folder: Path = Path(),
) -> PreparedExamples:
    """The same, whether or not it is worth training on: to look at it."""
    train = with_catalogue_rows(find_sources(data, cache, say, folder), cache, say)
    validation: list[Source] = []
    if data.validation_source:
        try:
            held_out_sources = find_sources(
                dataclasses.replace(data, source=data.validation_source), cache, say, folder
            )
            validation = with_catalogue_rows(held_out_sources, cache, say)
        except DataError as error:
            raise DataError(str(error).replace("data.source", "data.validation_source")) from error
    require_apart(train, validation)
    written_so = with_template(tokenizer, data.template, may_grow=False)
    making = _Making(data, written_so, objective, sequence_length, batch_size, train, validation)
    return _prepare(making, cache, say)


def examples_before(
    data: DataSettings,
    tokenizer: Tokenizer,
    objective: str,
    sequence_length: int,
    batch_size: int,
    cache: Path,
    folder: Path = Path(),
) -> PreparedExamples | None:
    """What `prepare_examples` gives for the same arguments, if it has made it before; None otherwise. Fetches and makes nothing."""
    if not all_here(data, cache, folder):
        return None

    def found(settings: DataSettings) -> list[Source]:
        return with_catalogue_rows(find_sources(settings, cache, lambda line: None, folder), cache, lambda line: None)

    held_out = dataclasses.replace(data, source=data.validation_source) if data.validation_source else None
    written_so = with_template(tokenizer, data.template, may_grow=False)
    sides = (found(data), found(held_out) if held_out else [])
    making = _Making(data, written_so, objective, sequence_length, batch_size, *sides)
    return _reuse(cache / "examples" / making.key, lambda line: None)


def require_examples(prepared: PreparedExamples, data: DataSettings, batch_size: int, say: Say) -> None:
    """Raise `DataError` when there are fewer rows than a batch, when no example teaches anything, or none the end of a turn.

    With `data.check_labels = false` the latter two are warnings. What the tokenizer doesn't have is always one.
    """
    num_rows = prepared.plan.num_rows
    if num_rows < batch_size:
        raise DataError(
            f"the training examples make {num_rows:,} row{'s' if num_rows != 1 else ''}, fewer than "
            f"training.batch_size = {batch_size}: lower it, or add rows to data.source"
        )
    for line in describe_unknown(prepared.facts):
        say(line)
    for problem in problems(prepared.facts):
        if data.check_labels:
            raise DataError(f"{problem}; data.check_labels=false trains all the same")
        say(f"warning: {problem}")


@dataclass(frozen=True)
class _Making:
    """What examples are made from."""

    data: DataSettings
    tokenizer: Tokenizer
    objective: str
    sequence_length: int
    batch_size: int
    train: Sequence[Source]
    validation: Sequence[Source]
    """Empty: some of the training rows are held out."""

    def __post_init__(self) -> None:
        for name in OF_TEXTS:
            if getattr(self.data, name) != getattr(DataSettings(), name):
                value = getattr(self.data, name)
                raise SettingError(
                    f"data.{name}",
                    NO_VALUE if dataclasses.is_dataclass(value) else value,
                    f"this is done to texts, not to the rows of training.objective = {self.objective!r}: leave it out",
                )
        if self.data.split == "tail":
            raise SettingError("data.split", "tail", "rows are held out whole, by their hash: leave it out")
        if self.data.duplicates.near != "off":
            advice = "near-duplicates are looked for among texts, not among rows: use 'off', and duplicates.exact"
            raise SettingError("data.duplicates.near", self.data.duplicates.near, advice)

    @cached_property
    def template(self) -> ChatTemplate:
        template = self.tokenizer.chat_template
        assert template is not None
        return template

    @property
    def pairs(self) -> bool:
        return self.objective == "preference"

    def marker(self) -> Marker:
        """What marks the rows of a split."""
        return Marker(self.tokenizer, self.template, self.objective, self.sequence_length)

    @property
    def key(self) -> str:
        """A hash over all that decides what is written."""
        data, tokenizer, template = self.data, self.tokenizer, self.template
        described = [
            [(source.name, source_hashes(source)) for source in side] for side in (self.train, self.validation)
        ]
        known = [tokenizer.sha256, tokenizer.end_id, tokenizer.pad_id, tokenizer.config, template.special_tokens]
        asked = [data.validation_fraction, data.skip_bad, data.duplicates.exact, data.packing]
        shape = [self.objective, self.sequence_length, self.batch_size]
        return sha256_text(json.dumps([FORMAT_VERSION, described, known, asked, shape]))[:32]


def _prepare(making: _Making, cache: Path, say: Say) -> PreparedExamples:
    directory = cache / "examples" / making.key
    with locked(directory):
        prepared = _reuse(directory, say)
        if prepared is None:
            _make(directory, making)
            prepared = open_examples(directory)
    left_out = prepared.facts["left_out"]
    bad = BadInput(True)
    bad.counts.update(left_out["counts"])
    bad.examples.update(left_out["examples"])
    bad.tell(say)
    return prepared


def _reuse(directory: Path, say: Say) -> PreparedExamples | None:
    """What was prepared before, checked byte by byte; None when there is none, or when it is damaged, which is said."""
    if not directory.exists():
        return None
    try:
        return open_examples(directory)
    except (DataError, TokenizerError) as error:
        say(f"warning: the prepared examples are damaged and are prepared again: {error}")
        return None


def _make(directory: Path, making: _Making) -> None:
    """Prepare beside the final directory, and rename: the final one is whole, or isn't there."""
    temporary = directory.with_name(f".{directory.name}-partial")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        data, tokenizer = making.data, making.tokenizer
        bad = BadInput(data.skip_bad)
        tallies, stores = _write_stores(making, temporary, bad)
        padding = padding_id(tokenizer)
        plan = plan_examples(
            stores["train"],
            data.packing == "best_fit" and not making.pairs,
            making.sequence_length,
            making.batch_size,
            (tokenizer.end_id or 0) if padding is None else padding,  # masked by its place, so any will do
        )
        plan.save(temporary / PLAN_FILE)
        tokenizer.save(temporary)
        sources = [*making.train, *making.validation]
        facts = describe_examples(
            sources, tallies, stores, plan, tokenizer, making.template, data, making.objective, bad
        )
        prepared = PreparedExamples(temporary, tokenizer, stores["train"], stores["validation"], plan, facts)
        hashes = hashes_of(prepared, (temporary / CONFIG_FILE).read_text(encoding="utf-8"))
        with replacing(temporary / FACTS_FILE) as file:
            file.write(json.dumps({**facts, "hashes": hashes}, indent=2, ensure_ascii=False).encode())
        if directory.exists():
            shutil.rmtree(directory)
        os.rename(temporary, directory)
    except GroundupError:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _write_stores(making: _Making, folder: Path, bad: BadInput) -> tuple[dict[str, Tally], dict[str, ExampleStore]]:
    """Mark all rows, then write those that are kept into the stores of both sides; what became of them, and the stores."""
    sides = {"train": making.train, **({"validation": making.validation} if making.validation else {})}
    markers = {name: making.marker() for name in ("train", "validation")}
    marked, kept = {}, {}
    with reading_progress([*making.train, *making.validation], WORTH_SHOWING) as advance:
        for name, sources in sides.items():
            rows = read_source_rows(sources, WANTED[making.objective], bad)
            marked[name] = markers[name].write(folder / f"all-{name}.examples", rows, bad, advance)
            kept[name] = markers[name].kept(making.data.duplicates.exact)
    tallies = {name: marker.tally for name, marker in markers.items()}
    for name in sides:
        if not len(kept[name]):
            raise _nothing(name, making.objective, tallies[name], bad)
    prompts = [markers[name].prompts[kept[name]] for name in sides]
    if making.validation:
        first = exact_duplicates(np.concatenate(prompts))[len(prompts[0]) :]
        tallies["validation"].shared_prompts = int((first < len(prompts[0])).sum())
    else:
        out = held_out(prompts[0], exact_duplicates(prompts[0]), making.data.validation_fraction)
        if not out.any():
            raise DataError(
                f"nothing can be held out for validation: {len(out):,} example{'s' if len(out) != 1 else ''} of data.source "
                "with one prompt; add rows, or name others with data.validation_source"
            )
        marked["validation"] = marked["train"]
        kept = {"train": kept["train"][~out], "validation": kept["train"][out]}
    files = {"train": TRAIN_FILE, "validation": VALIDATION_FILE}
    width = marked["train"].width
    stores = {name: write_examples(folder / file, marked[name].rows(kept[name]), width) for name, file in files.items()}
    for file in folder.glob("all-*"):
        file.unlink()
    return tallies, stores


def _nothing(name: str, objective: str, tally: Tally, bad: BadInput) -> DataError:
    """The error for a side without a row to use."""
    setting = "data.source" if name == "train" else "data.validation_source"
    reasons = ", ".join(f"{reason} ({count:,} of them)" for reason, count in (tally.dropped + bad.counts).most_common())
    if tally.read:
        advice = "mend them, or raise model.max_seq_len, up to the base's context, if they are too long"
        return DataError(f"none of the {tally.read:,} rows of {setting} is left: {reasons}; {advice}")
    why = next((examples[0] for examples in bad.examples.values()), "its files are empty")
    return DataError(f"{setting} has no row ({why}): {WANTED[objective]}")
