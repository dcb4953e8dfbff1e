"""A recipe's own steps on this machine, a few of them: what they take, so that all of them can be told before the first.

The network, its batches, threads, number format and optimizer are the recipe's; validation, a sample, a checkpoint and the report are made
once or twice, in a folder that is thrown away. What is too long for the time there is is cut to fewer rows or tokens, and scaled by its
arithmetic.
"""

from __future__ import annotations

import math
import re
import resource
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
    set_threads,
    synchronize,
)
from groundup.energy import EnergyMeter
from groundup.files import sha256_file
from groundup.model.counts import forward_flops, training_flops
from groundup.recipe.compose import Composition, compose
from groundup.recipe.data import Prepared
from groundup.recipe.private import privacy_of
from groundup.recipe.reference import Reference
from groundup.recipe.resume import open_run
from groundup.recipe.save import ModelFiles
from groundup.recipe.settings import Recipe
from groundup.run.checkpoints import verify_checkpoint, write_checkpoint
from groundup.run.directory import RunDirectory
from groundup.tokens.prepare import PreparedData
from groundup.tokens.prepared_examples import PreparedExamples
from groundup.training.memory import Load, Rank, training_moments
from groundup.training.schedules import with_steps
from groundup.training.step import Machinery, Task, prepare_machinery, take_step

LONGEST_STEP = 4.0  # seconds, by the machine's peak: a longer step is cut
SHARE_OF_PEAK = 0.4  # of the peak of matrix products a step is taken to reach before any was taken
MOST_CHECKPOINT = 400_000_000  # bytes that are written to see how long a checkpoint takes
SAMPLE_TOKENS = 12
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
    cut: bool
    """Whether something was too long to be measured whole."""
    measuring: float
    """Seconds that all of this took."""

    def evaluating(self, num_tokens: int) -> float:
        """Seconds to read so many held-out tokens."""
        if num_tokens <= self.readers * self.batch_tokens:
            return min(num_tokens, self.batch_tokens) * self.evaluation_token
        return num_tokens * self.evaluation_token / self.readers


def rehearse(
    settings: Recipe,
    data: Prepared,
    files: ModelFiles,
    device: torch.device,
    seconds: float = 15.0,
    opened: float = 0.0,
) -> Measured:
    """Take some steps of a recipe's training, and what comes between them, in about so many seconds.

    `opened`: seconds that it has taken already to open data and model. Nothing is kept.
    """
    begun = time.perf_counter()
    libraries = max(0, held_bytes() - sum(parameter.nbytes for parameter in files.model.parameters()))
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
        measuring = _Measuring(settings, data, task, machinery, device, seconds, begun, files, libraries)
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
    libraries: int
    """Bytes that the process held before there was a network."""
    cut: bool = False
    read_tokens: int = 0

    def measure(self, composition: Composition, opening: float) -> Measured:
        files_bytes = self._checkpoint_bytes()
        self._evaluate(0.05)  # what training does first, and what is loaded by it
        warm_sample = self._sample(composition, 2)
        give_back_freed_memory()
        first, rates, mean_flops, mean_tokens, watts = self._steps()
        report_first = _timed(self.task.show)
        of_token = self._evaluate(0.2)
        sample = self._sample_token(composition)
        give_back_freed_memory()
        report = _timed(self.task.show)
        most, beyond = peak_bytes(self.device), self._beyond()
        checkpoint, finish = self._checkpoint(files_bytes)
        if self.files.lora is not None:
            most = max(most, peak_bytes(self.device))
        return Measured(
            opening=opening,
            step=rates,
            first_step=first,
            evaluation_token=of_token,
            readers=self.readers,
            batch_tokens=self.batch_tokens,
            evaluation=report,
            sample_token=sample,
            checkpoint=checkpoint,
            finish=finish + report + report_first + warm_sample,
            flops=mean_flops,
            tokens=mean_tokens,
            peak_flops=self.machinery.peak_flops,
            peak_bytes=max(most, beyond),
            watts=watts,
            cut=self.cut,
            measuring=time.perf_counter() - self.begun,
        )

    def left(self) -> float:
        return self.seconds - (time.perf_counter() - self.begun)

    def _steps(self) -> tuple[float, float, float, float, float | None]:
        """What is more about the first step; seconds, operations and learned tokens of a mean one; watts."""
        kinds = self._kinds_of_steps()
        task, machinery = self.task, self.machinery
        budget = 0.5 * self.seconds
        totals = np.zeros(3)
        first, joules, watched = 0.0, 0.0, 0.0
        meter = EnergyMeter(card_uuid(self.device))
        for step, share, mean in kinds:
            rows = task.batch(step)
            cut = self._cut(rows, mean)
            self.cut |= cut is not rows
            cut_task = replace(
                task, batch=lambda number, rows=rows, cut=cut, step=step: cut if cut is not rows else task.batch(number)
            )
            times: list[tuple[float, int]] = []
            end = time.perf_counter() + budget * (0.5 if len(kinds) > 1 else 1.0)
            number = step
            meter.read()
            while len(times) < 2 or (time.perf_counter() < end and len(times) < 400):
                if len(times) == 1 and times[0][0] > 0.7 * budget:
                    break
                start = time.perf_counter()
                taken = take_step(cut_task, machinery, number % max(1, task.settings.max_steps), 1e-6)
                if len(times) % 10 == 0 or len(times) < 3:
                    taken.loss.item()
                    synchronize(self.device)
                times.append((time.perf_counter() - start, taken.flops))
                number += 1
            used = meter.read()
            spent = sum(one for one, _ in times)
            if used is not None:
                joules, watched = joules + used, watched + spent
            steady = times[1:] or times
            rate = sum(one for one, _ in steady) / sum(flops for _, flops in steady)
            if not first and len(times) > 1:
                first = max(0.0, times[0][0] - rate * times[0][1])
            totals += share * np.array([rate * mean[0], mean[0], mean[1]])
        return first, *map(float, totals), joules / watched if watched and joules else None

    def _kinds_of_steps(self) -> list[tuple[int, float, tuple[float, float]]]:
        """Where steps differ: one's number, its kind's share of all, and the operations and learned tokens of a mean one."""
        training = self.task.settings
        begin = round(training.length_warmup_fraction * training.max_steps)
        kinds = [(0, begin)] if begin else []
        kinds += [(begin, training.max_steps)] if begin < training.max_steps else []
        return [(start, (end - start) / training.max_steps, self._mean_of(start, end)) for start, end in kinds]

    def _mean_of(self, start: int, end: int) -> tuple[float, float]:
        looked = (
            range(start, end) if isinstance(self.data, PreparedExamples) or self._documents else range(start, start + 1)
        )
        chosen = [
            looked[len(looked) * place // min(len(looked), BATCHES_LOOKED_AT)]
            for place in range(min(len(looked), BATCHES_LOOKED_AT))
        ]
        found = [self._counted(self.task.batch(step)) for step in chosen]
        return float(np.mean([flops for flops, _ in found])), float(np.mean([tokens for _, tokens in found]))

    @property
    def _documents(self) -> bool:
        return self.settings.data.packing == "documents"

    def _counted(self, rows: np.ndarray) -> tuple[int, int]:
        num_rows, length = self.task.rows_read(rows)
        learned = max(1, self.task.count_targets(rows))
        adapters = self.machinery.adapter_parameters
        return training_flops(self.task.model.config, num_rows * length, length, learned, adapters), learned

    def _cut(self, rows: np.ndarray, mean: tuple[float, float]) -> np.ndarray:
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
        working = min(self.readers, math.ceil(self.read_tokens / self.batch_tokens))
        return spent * working / self.read_tokens

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
        """The memory that reading all that is held out takes, where it was too much to be read here; worked out."""
        most = min(held_out_tokens(self.data), self.readers * self.batch_tokens)
        if self.read_tokens >= most:
            return 0
        self.cut = True
        load = Load(
            self.task.model.config,
            self.task.settings,
            self.machinery.adapter_parameters,
            row_length=self.window,
            evaluation_rows=self.settings.evaluation.batch_size,
        )
        readers = math.ceil(most / self.batch_tokens)
        rank = Rank(num_shards=len(self.machinery.shards.networks), num_readers=readers, libraries=self.libraries)
        return training_moments(load, rank)[-1].total

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


def peak_bytes(device: torch.device) -> int:
    """The most memory that this process has held so far: of a CUDA device what PyTorch reserved there, else main memory."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)
    try:
        found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    except OSError:
        found = None
    if found:
        return 1024 * int(found[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def held_bytes() -> int:
    """The main memory that this process holds now."""
    try:
        return 1024 * int(re.search(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())[1])  # type: ignore[index]
    except (OSError, TypeError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _timed(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
