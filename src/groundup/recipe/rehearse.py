"""A recipe's own steps on this machine, a few of them: what they take, so that all of them can be told before the first.

The network, its batches, threads, number format and optimizer are the recipe's; validation, a sample, a checkpoint and the report are made
once or twice, in a folder that is thrown away. What is too long for the time there is is cut to fewer rows or tokens, and scaled by its
arithmetic.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from groundup.device import (
    autocast_dtype,
    card_uuid,
    give_back_freed_memory,
    matmul_flops_per_second,
    peak_bytes,
    set_threads,
    synchronize,
)
from groundup.energy import EnergyMeter
from groundup.files import sha256_file
from groundup.model.counts import forward_flops, training_flops
from groundup.recipe.compose import Composition, compose
from groundup.recipe.data import Prepared
from groundup.recipe.expected_memory import rank_here
from groundup.recipe.private import privacy_of
from groundup.recipe.reference import Reference
from groundup.recipe.resume import open_run
from groundup.recipe.save import ModelFiles
from groundup.recipe.settings import Recipe
from groundup.run.checkpoints import verify_checkpoint, write_checkpoint
from groundup.run.directory import RunDirectory
from groundup.tokens.prepare import PreparedData
from groundup.tokens.prepared_examples import PreparedExamples
from groundup.training.memory import Load, Rank, training_memory
from groundup.training.schedules import with_steps
from groundup.training.step import Machinery, Task, prepare_machinery, take_step

LONGEST_STEP = 4.0  # seconds, by the machine's peak: a longer step is cut
SHARE_OF_PEAK = 0.4  # of the peak of matrix products a step is taken to reach before any was taken
MOST_CHECKPOINT = 400_000_000  # bytes that are written to see how long a checkpoint takes
SAMPLE_TOKENS = 12
MOST_STEPS = 400
SMALL_FACTOR = 1e-6  # of the learning rates: the weights are thrown away, and random text would push them far
BATCHES_LOOKED_AT = 64  # of rows of unlike lengths, to know their mean


@dataclass(frozen=True)
class Measured:
    """What the parts of a training take on this machine: seconds, bytes, joules."""

    opening: float
    """From the prepared data to the first evaluation."""
    step: float
    """The mean of all steps."""
    first_step: float
    """More than that, once: what is made at the first step."""
    evaluation_token: float
    """Of one thread that reads a batch of validation's windows."""
    readers: int
    """How many threads read side by side."""
    batch_tokens: int
    """How many tokens each reads at once."""
    evaluation: float
    """The rest of an evaluation: the sample that is written, and the report."""
    sample_token: float
    checkpoint: float
    finish: float
    """The end, but for its evaluation and its sample: the best checkpoint is verified, read, copied and described."""
    flops: float
    """Of a mean step."""
    tokens: float
    """That carry loss, of a mean step."""
    peak_flops: float
    peak_bytes: int
    """The most memory that this process held; on a GPU, of the device."""
    watts: float | None
    """While steps were taken; None where no counter can be read."""
    cores_share: float
    """Of the time of as many cores as it has threads, what its steps got; on a GPU 1."""
    cut: bool
    """Whether something was too long to be measured whole."""
    measuring: float
    """Seconds that all of this took."""

    def evaluating(self, num_tokens: int) -> float:
        """Seconds to read so many held-out tokens."""
        return self.evaluation_token * busiest_reads(num_tokens, self.readers, self.batch_tokens)


def busiest_reads(num_tokens: int, readers: int, batch_tokens: int) -> float:
    """How many of so many tokens that thread reads which the others wait for: a batch, or, of many batches, its share."""
    return min(num_tokens, batch_tokens) if num_tokens <= readers * batch_tokens else num_tokens / readers


@dataclass(frozen=True)
class Kind:
    """Steps that are alike."""

    start: int
    share: float
    """Of all steps."""
    flops: float
    """Of a mean one."""
    tokens: float


@dataclass(frozen=True)
class Steps:
    """What a mean step takes; `first`: seconds that the first one takes more."""

    seconds: float
    first: float
    flops: float
    tokens: float
    watts: float | None
    cores_share: float


def rehearse(
    settings: Recipe,
    data: Prepared,
    files: ModelFiles,
    device: torch.device,
    load: Load,
    seconds: float = 15.0,
    opened: float = 0.0,
) -> Measured:
    """Take some steps of a recipe's training, and what comes between them, in about so many seconds.

    `load`: what the memory is worked out from where not all of it can be seen here. `opened`: seconds that it has taken
    already to open data and model. Nothing is kept.
    """
    begun = time.perf_counter()
    rank = rank_here(settings.training, files.model.config, sum(one.nbytes for one in files.model.parameters()))
    with tempfile.TemporaryDirectory(prefix="groundup-plan-") as folder:
        directory = RunDirectory(Path(folder) / "run")
        directory.path.mkdir()
        training = with_steps(settings.training, data.plan.num_rows)
        settings = replace(settings, training=training)
        set_threads(training.num_threads)
        peak = matmul_flops_per_second(device, autocast_dtype(training.precision, device) or torch.float32)
        privacy = privacy_of(training, data)
        open_run(settings, directory, Path(), data, files, device, peak, privacy, lambda line: None)
        files.model.to(device)
        composition = compose(settings, directory, data, files, peak, _reference(data, training.objective), privacy)
        task = composition.task
        machinery = prepare_machinery(task)
        opening = opened + time.perf_counter() - begun
        measuring = _Measuring(settings, data, task, machinery, device, seconds, begun, files, load, rank)
        with machinery.shards:
            return measuring.measure(composition, opening)


def _reference(data: Prepared, objective: str) -> Reference | None:
    """For pairs: numbers of the right shape, which cost a step the same as true ones."""
    if objective != "preference" or not isinstance(data, PreparedExamples):
        return None
    sides = (data.train, data.validation)
    train, validation = (np.zeros((len(side.lengths) // side.width, 2), np.float32) for side in sides)
    return Reference(train, validation, "")


@dataclass
class _Measuring:
    settings: Recipe
    data: Prepared
    task: Task
    machinery: Machinery
    device: torch.device
    seconds: float
    begun: float
    files: ModelFiles
    load: Load
    rank: Rank
    cut: bool = False
    read_tokens: int = 0

    def measure(self, composition: Composition, opening: float) -> Measured:
        files_bytes = self._checkpoint_bytes()
        self._evaluate(0.05)  # what training does first, and what is loaded by it
        warm_sample = self._sample(composition, 2)
        give_back_freed_memory()
        steps = self._steps()
        report_first = _timed(self.task.show)
        of_token = self._evaluate(min(0.25, 0.55 * self._left() / self.seconds))
        sample = self._sample_token(composition)
        give_back_freed_memory()
        report = _timed(self.task.show)
        most, beyond = peak_bytes(self.device), self._beyond()
        checkpoint, finish = self._checkpoint(files_bytes)
        if self.files.lora is not None:
            most = max(most, peak_bytes(self.device))
        return Measured(
            opening=opening,
            step=steps.seconds,
            first_step=steps.first,
            evaluation_token=of_token,
            readers=self.readers,
            batch_tokens=self.batch_tokens,
            evaluation=report,
            sample_token=sample,
            checkpoint=checkpoint,
            finish=finish + report + report_first + warm_sample,
            flops=steps.flops,
            tokens=steps.tokens,
            peak_flops=self.machinery.peak_flops,
            peak_bytes=max(most, beyond),
            watts=steps.watts,
            cores_share=steps.cores_share,
            cut=self.cut,
            measuring=time.perf_counter() - self.begun,
        )

    def _left(self) -> float:
        """Seconds that are left of those that all of this may take; a little at least."""
        return max(1.0, self.seconds - (time.perf_counter() - self.begun))

    def _steps(self) -> Steps:
        """Some of each kind of step."""
        kinds = self._kinds_of_steps()
        meter, budget = EnergyMeter(card_uuid(self.device)), 0.5 * self._left()
        joules: list[float | None] = []
        rates, spent, first, worked = [], 0.0, 0.0, time.process_time()
        for kind in kinds:
            meter.read()
            times = self._times(kind, budget / len(kinds))
            joules.append(meter.read())
            steady = times[1:] or times
            rates.append(sum(seconds for seconds, _ in steady) / sum(flops for _, flops in steady))
            spent += sum(seconds for seconds, _ in times)
            if kind is kinds[0] and len(times) > 1:
                first = max(0.0, times[0][0] - rates[0] * times[0][1])
        worked = (time.process_time() - worked) / (spent * len(self.machinery.shards.networks))
        known = [each for each in joules if each is not None]
        return Steps(
            seconds=sum(kind.share * kind.flops * rate for kind, rate in zip(kinds, rates, strict=True)),
            first=first,
            flops=sum(kind.share * kind.flops for kind in kinds),
            tokens=sum(kind.share * kind.tokens for kind in kinds),
            watts=sum(known) / spent if known and len(known) == len(joules) else None,
            cores_share=min(1.0, worked) if self.device.type == "cpu" else 1.0,
        )

    def _times(self, kind: Kind, budget: float) -> list[tuple[float, int]]:
        """Seconds and operations of some steps of a kind, for about so many seconds, and of two at least where these are not too long."""
        task, end = self.task, time.perf_counter() + budget
        whole = task.batch(kind.start)
        cut = self._cut(whole)
        if len(cut) < len(whole) or cut.shape[-1] < whole.shape[-1]:
            self.cut = True

            def cut_batch(step: int) -> np.ndarray:
                return cut

            task = replace(task, batch=cut_batch)
        times: list[tuple[float, int]] = []
        while len(times) < 2 or (time.perf_counter() < end and len(times) < MOST_STEPS):
            if len(times) == 1 and times[0][0] > 0.8 * budget:
                break
            step = (kind.start + len(times)) % task.settings.max_steps
            start = time.perf_counter()
            taken = take_step(task, self.machinery, step, SMALL_FACTOR)
            if step % task.settings.logging_steps == 0 or len(times) < 3:
                taken.loss.item()
                synchronize(self.device)
            times.append((time.perf_counter() - start, taken.flops))
        return times

    def _kinds_of_steps(self) -> list[Kind]:
        """Shorter rows at first, if the recipe has them, then whole ones."""
        training = self.task.settings
        begin = round(training.length_warmup_fraction * training.max_steps)
        ranges = [each for each in ((0, begin), (begin, training.max_steps)) if each[0] < each[1]]
        return [Kind(start, (end - start) / training.max_steps, *self._mean_of(start, end)) for start, end in ranges]

    def _mean_of(self, start: int, end: int) -> tuple[float, float]:
        """Operations and learned tokens of a mean step: all are alike, or, where rows have lengths of their own, some are looked at."""
        unlike = isinstance(self.data, PreparedExamples) or self.settings.data.packing == "documents"
        some = min(end - start, BATCHES_LOOKED_AT) if unlike else 1
        found = [self._counted(self.task.batch(start + (end - start) * place // some)) for place in range(some)]
        return float(np.mean([flops for flops, _ in found])), float(np.mean([tokens for _, tokens in found]))

    def _counted(self, rows: np.ndarray) -> tuple[int, int]:
        num_rows, length = self.task.rows_read(rows)
        learned = max(1, self.task.count_targets(rows))
        adapters = self.machinery.adapter_parameters
        return training_flops(self.task.model.config, num_rows * length, length, learned, adapters), learned

    def _cut(self, rows: np.ndarray) -> np.ndarray:
        """Fewer rows, and then shorter ones, where a step of all of them would take too long."""
        most = LONGEST_STEP * SHARE_OF_PEAK * self.machinery.peak_flops
        fewest = len(self.machinery.shards.networks) * self.task.settings.accumulation_steps
        while self._counted(rows)[0] > most and len(rows) // 2 >= fewest:
            rows = rows[: len(rows) // 2]
        while self._counted(rows)[0] > 4 * most and rows.shape[-1] > 34:
            rows = rows[..., : (rows.shape[-1] - 1) // 2 + 1]
        return rows

    def _evaluate(self, share: float) -> float:
        """Seconds that one thread takes for a token of an evaluation, of as many tokens as that share of the time allows, or as many as
        make every thread hold as much memory as it ever will."""
        config = self.task.model.config
        every, window = held_out_tokens(self.data), self.window
        wanted = min(every, max(self.settings.evaluation.max_tokens or every, 2 * self.readers * self.batch_tokens))
        speed = SHARE_OF_PEAK * self.machinery.peak_flops / 2 / (forward_flops(config, window, window) / window)
        self.read_tokens = min(wanted, max(window, int(share * self.seconds * speed)))
        self.task.model.eval()
        with self.machinery.shards.at_rest():
            evaluate: partial[dict[str, Any]] = self.task.evaluate  # type: ignore[assignment]
            spent = _timed(partial(evaluate.func, *evaluate.args[:-1], self.read_tokens))
        return spent / busiest_reads(self.read_tokens, self.readers, self.batch_tokens)

    @property
    def window(self) -> int:
        return min(self.task.model.config.max_seq_len, self.settings.model.max_seq_len)

    @property
    def readers(self) -> int:
        return self.machinery.num_threads if self.device.type == "cpu" else 1

    @property
    def batch_tokens(self) -> int:
        """Tokens that a thread reads at once."""
        return max(self.window, min(2**14, self.settings.evaluation.batch_size * self.window))

    def _beyond(self) -> int:
        """The memory that the whole would take, where something was too much to be done here; worked out."""
        every = min(held_out_tokens(self.data), self.readers * self.batch_tokens)
        self.cut |= self.read_tokens < every
        if not self.cut or self.device.type != "cpu":
            return 0
        return training_memory(self.load, self.rank).total

    def _sample_token(self, composition: Composition) -> float:
        """Seconds that each further token of a text takes: of a few, and where these are quick, of as many as training writes."""
        begun = self._sample(composition, 2)
        rough = max(1e-5, self._sample(composition, 2 + SAMPLE_TOKENS) - begun) / SAMPLE_TOKENS
        more = min(max(SAMPLE_TOKENS, self.settings.training.sample_tokens), int(0.06 * self.seconds / rough))
        if more <= 2 * SAMPLE_TOKENS:
            return rough
        return max(1e-5, self._sample(composition, 2 + more) - begun) / more

    def _sample(self, composition: Composition, tokens: int) -> float:
        sampling = replace(self.settings.generation, max_new_tokens=tokens, num_samples=1, stop=())
        self.task.model.eval()
        with self.machinery.shards.at_rest():
            return _timed(partial(composition.write, sampling))

    def _checkpoint_bytes(self) -> int:
        state = self.machinery.optimizer.state_tensors().values()
        return sum(tensor.nbytes for tensor in state) + sum(p.nbytes for p in self.machinery.parameters)

    def _checkpoint(self, num_bytes: int) -> tuple[float, float]:
        """Seconds to write a checkpoint, of a large one from the model alone; and to verify it, read it and make `model/` of it."""
        task, state = self.task, {"loss": 0.0}
        optimizer = self.machinery.optimizer.state_tensors()
        small = num_bytes <= MOST_CHECKPOINT
        start = time.perf_counter()
        written = write_checkpoint(task.run.path, 1, state, optimizer if small else {}, num_bytes, task.save_model)
        middle = time.perf_counter()
        verify_checkpoint(written)
        verified = time.perf_counter()
        whole = written
        if self.files.lora is not None:
            whole = task.run.path / "whole"
            self.files.save_whole(whole)
        else:
            self.files.load(written)
        for file in sorted(whole.iterdir()):
            shutil.copyfile(file, task.run.path / "copy")
            sha256_file(task.run.path / "copy")
        end = time.perf_counter()
        factor = 1.0 if small else num_bytes / sum(p.nbytes for p in self.machinery.parameters)
        return (middle - start) * factor, (verified - middle) * factor + end - verified


def held_out_tokens(data: Prepared) -> int:
    """How many tokens an evaluation of all that is held out reads."""
    if isinstance(data, PreparedData):
        return len(data.validation.ids)
    return int(data.validation.lengths.sum())


def _timed(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
