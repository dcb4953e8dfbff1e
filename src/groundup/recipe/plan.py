"""`groundup plan`: what a recipe will take, before its first step. On this machine it is measured; on others it is worked out."""

from __future__ import annotations

import errno
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from groundup.cores import available_cores, memory_bytes
from groundup.device import pick_device
from groundup.errors import GroundupError, MachineError, SettingError
from groundup.language_model.locate import find_model
from groundup.model.adapter_config import is_adapter
from groundup.model.counts import forward_flops, parameter_counts, training_flops
from groundup.model.directory import read_config
from groundup.model.settings import TransformerConfig
from groundup.recipe.accelerators import Accelerator, layer_seconds, product_bytes, reached_flops
from groundup.recipe.base_tokenizer import base_path
from groundup.recipe.data import Prepared, found_prepared
from groundup.recipe.expected_memory import RUNTIME, adapters_of, described, load_of, rank_here
from groundup.recipe.made_up import made_up_data
from groundup.recipe.measured import Measured
from groundup.recipe.memory_budget import within_its_budget
from groundup.recipe.rehearse import rehearse
from groundup.recipe.settings import Recipe
from groundup.recipe.sizes import Sizes, assumed_sizes, evaluated_tokens, known_sizes
from groundup.recipe.starting_model import starting_model, with_vocabulary
from groundup.report.compute import WATTS_A_CORE
from groundup.report.pages import figure
from groundup.text.cache import cache_directory
from groundup.text.catalogue import MODELS
from groundup.text.fetch import is_fetched
from groundup.text.remote import is_here
from groundup.tokens.existing import find_tokenizer
from groundup.tokens.prepare import PreparedData, require_batch
from groundup.training.memory import training_memory
from groundup.training.memory_kinds import Load
from groundup.training.memory_parts import Rank, cache_bytes
from groundup.training.parallel_settings import Strategy
from groundup.training.schedules import with_steps
from groundup.training.settings import TrainingSettings, parts_of_batch, unevenness

Say = Callable[[str], None]
SECONDS = 17.0
"""That are measured, about; what can't be stopped within them may go on for some more."""
NOT_COUNTED = "nothing of what private training keeps of each row, in the memory that is worked out"


def find_config(settings: Recipe, folder: Path, vocab_size: int) -> TransformerConfig:
    """The network of a recipe, or of its base, from its config.json alone. Raises `SettingError` for a base that isn't on this machine."""
    if not settings.model.base:
        return with_vocabulary(settings.model.network(), vocab_size)
    config = read_config(_base_directory(settings, folder))
    return replace(config, dropout=settings.model.dropout, vocab_size=max(vocab_size, config.vocab_size))


def _base_directory(settings: Recipe, folder: Path) -> Path:
    require_base_here(settings, folder)
    directory = find_model(base_path(settings.model.base, folder))
    if is_adapter(directory):
        from groundup.language_model.adapters import with_bases

        return with_bases(directory)[-1]
    return directory


def require_base_here(settings: Recipe, folder: Path) -> None:
    """Raise `SettingError` where the base would have to be fetched: a plan fetches nothing."""
    name = settings.model.base
    if not name or (folder / name).exists():
        return
    catalogue_without = name in MODELS and not is_fetched(MODELS[name], cache_directory())
    if catalogue_without or not is_here(name, cache_directory()):
        raise SettingError(
            "model.base",
            name,
            f"it is not on this machine, and a plan fetches nothing: groundup chat {name}  fetches it",
        )


def find_sizes(settings: Recipe, folder: Path) -> tuple[Sizes, Prepared | None]:
    """How much there is to read, and the prepared data if there is any."""
    require_base_here(settings, folder)
    data = found_prepared(settings, folder)
    if isinstance(data, PreparedData):
        require_batch(data, settings.model.max_seq_len, settings.training.batch_size)
    if data is not None:
        return known_sizes(data), data
    return assumed_sizes(settings, folder, _known_vocabulary(settings, folder)), None


def _known_vocabulary(settings: Recipe, folder: Path) -> int:
    """Of a base or of a tokenizer that is on this machine; 0 where there is none yet."""
    if settings.model.base:
        return read_config(_base_directory(settings, folder)).vocab_size
    if settings.tokenizer.kind != "existing" or not is_here(settings.tokenizer.path, cache_directory()):
        return 0
    return find_tokenizer(settings.tokenizer.path, folder, lambda line: None).vocab_size


def describe(settings: Recipe, sizes: Sizes, config: TransformerConfig) -> dict[str, Any]:
    """Parameters by part, arithmetic, and how long the training is; the same on every machine."""
    training, adapters = with_steps(settings.training, sizes.rows), adapters_of(settings, config)
    halves = 2 if training.objective == "preference" else 1
    tokens = round(halves * training.batch_size * sizes.row_length)
    flops = training_flops(config, tokens, round(sizes.row_length), round(tokens * sizes.learned_share), adapters)
    parameters = parameter_counts(config)
    # What is computed twice to save memory is work, though no progress.
    again = forward_flops(config, tokens, round(sizes.row_length), 0) if training.activation_checkpointing else 0
    return {
        "parameters": parameters | ({"adapters": adapters} if adapters is not None else {}),
        "trained": parameters["total"] if adapters is None else adapters,
        "shape": {
            name: getattr(config, name) for name in ("preset", "d_model", "num_layers", "num_heads", "vocab_size")
        },
        "context": min(config.max_seq_len, settings.model.max_seq_len),
        "max_steps": training.max_steps,
        "batch_size": training.batch_size,
        "tokens_a_step": tokens,
        "tokens": tokens * training.max_steps,
        "epochs": round(training.max_steps * training.batch_size / sizes.rows, 3),
        "flops_a_step": flops,
        "flops": flops * training.max_steps,
        "flops_computed_twice": again * training.max_steps,
        "cache_bytes_a_text": cache_bytes(config, 1, config.max_seq_len),
        "assumed": [*sizes.assumed, *([NOT_COUNTED] if training.privacy.on else [])],
    }


def plan_elsewhere(
    settings: Recipe, sizes: Sizes, config: TransformerConfig, card: Accelerator, count: int
) -> dict[str, Any]:
    """The plan for so many of a card: memory of a rank by strategy, and the time at a utilization that is taken from measurements."""
    narrow, wanted = product_bytes(card, settings.training), strategies(settings.training, count)
    ranks = {
        strategy: Rank("cuda", narrow, 1, 1, strategy, 1 if strategy == "single" else count, libraries=RUNTIME)
        for strategy in dict.fromkeys(("single", *wanted))
    }
    together = [ranks[name] for name in wanted]
    settings, room = within_its_budget(settings, sizes, config, together)
    room = min(card.memory, room)
    load, facts = load_of(settings, sizes, config), describe(settings, sizes, config)
    memory = {strategy: training_memory(load, rank) for strategy, rank in ranks.items()}
    chosen = next((name for name in wanted if memory[name].total <= room), None)
    reached = count * reached_flops(card, settings.training)
    launching = config.num_layers * layer_seconds(settings.training, settings.data, count)
    least = facts["max_steps"] * settings.training.accumulation_steps * launching
    uneven = unevenness(settings.training, count)
    seconds = max(least, uneven * (facts["flops"] + facts["flops_computed_twice"]) / reached)
    return {
        "accelerator": asdict(card),
        "count": count,
        "accumulation_steps": settings.training.accumulation_steps,
        "reached_flops": reached,
        "waits_for_the_host": seconds == least,
        "unevenness": uneven,
        "memory": {name: described(one) for name, one in memory.items()},
        "strategy": chosen,
        "advice": [] if chosen else advice(load, settings.training, together, room),
        "seconds": seconds,
        "tokens_per_second": facts["tokens"] * sizes.learned_share / seconds,
        "joules": seconds * card.watts * count,
    }


def strategies(training: TrainingSettings, count: int) -> tuple[Strategy, ...]:
    """How so many cards may train together; with the last of these each holds the least."""
    if count == 1:
        return ("single",)
    return ("ddp",) if training.compile else ("ddp", "fsdp")  # fsdp is refused where the network is compiled


def advice(load: Load, training: TrainingSettings, ranks: Sequence[Rank], memory: float) -> list[str]:
    """Overrides with which one of the ranks has room for it after all; empty where nothing helps."""
    for twice in (False, True):
        for parts in parts_of_batch(training, ranks[0].world_size):
            changed = replace(load.settings, accumulation_steps=parts, activation_checkpointing=twice)
            if any(training_memory(replace(load, settings=changed), rank).total <= memory for rank in ranks):
                found = [f"training.accumulation_steps={parts}"] if parts > training.accumulation_steps else []
                return found + (["training.activation_checkpointing=true"] if twice else [])
    return []


def plan_here(
    settings: Recipe, folder: Path, sizes: Sizes, data: Prepared | None, started: float = 0.0
) -> dict[str, Any]:
    """The plan for this machine: some of its steps are taken. `started`: seconds that the process had lived before.

    Without prepared data they are taken on made-up text of the assumed sizes. A network that can't be held here is not begun: then
    `too_large` says what it would take.
    """
    begun = time.perf_counter()
    config = find_config(settings, folder, sizes.vocab_size)
    settings, _ = within_its_budget(settings, sizes, config, [rank_here(settings.training, config)])
    load = load_of(settings, sizes, config)
    estimated = training_memory(load, rank_here(settings.training, config))
    found: dict[str, Any] = {
        "estimated_memory": described(estimated),
        "machine_bytes": memory_bytes(),
        "accumulation_steps": settings.training.accumulation_steps,
        "notes": _not_measured(settings.parallel.strategy),
    }
    device = pick_device(settings.training.device)
    if device.type != "cuda" and estimated.total > found["machine_bytes"] > 0:
        return {**found, "too_large": True}
    with _told_of_a_full_disk(), made_up_data(settings, folder, sizes, data) as (adjusted, read):
        files = starting_model(adjusted, read.tokenizer, folder)
        opened = started + time.perf_counter() - begun
        measured = rehearse(adjusted, read, files, device, load, SECONDS, opened)
    facts = describe(settings, sizes, config)
    computed = 1 + facts["flops_computed_twice"] / facts["flops"]
    return {
        **found,
        "too_large": False,
        "device": device.type,
        "measured": asdict(measured),
        "flops_per_second": computed * measured.flops / measured.step,
        **time_and_memory(settings, facts["max_steps"], sizes, measured),
    }


@contextmanager
def _told_of_a_full_disk() -> Iterator[None]:
    """A full disk is that of the temporary folder, the only place that is written to; nothing of a plan can be gone on with."""
    try:
        yield
    except (GroundupError, OSError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        if not isinstance(cause, OSError) or cause.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise MachineError(
            f"{tempfile.gettempdir()} has too little room for what a plan writes there and throws away: free some, or name a folder "
            "with more by the environment variable TMPDIR, and plan again"
        ) from error


def _not_measured(strategy: Strategy) -> list[str]:
    """What of a recipe a plan for this machine leaves out, in words."""
    if strategy == "single":
        return []
    return [f"one process, by itself: what several take with parallel.strategy = {strategy!r} is not measured"]


def time_and_memory(settings: Recipe, max_steps: int, sizes: Sizes, measured: Measured) -> dict[str, Any]:
    """All of a training, put together of what its parts take."""
    training, held_out = settings.training, sizes.held_out
    read_before = 0.0
    if measured.reference is not None:  # of pairs the model that training begins with reads all answers first
        trained_on = round(2 * sizes.rows * sizes.row_length)
        read_before = measured.reference.seconds(trained_on) + measured.end.seconds(held_out)
    at_steps = {*range(training.eval_steps, max_steps + 1, training.eval_steps), max_steps}
    saved = {*range(training.save_steps, max_steps + 1, training.save_steps)} | at_steps  # each is taken to be the best
    of_evaluation = measured.evaluation.seconds(evaluated_tokens(settings, held_out))
    sample = training.sample_tokens * measured.sample_token
    parts = {
        "opening": measured.opening + read_before,
        "steps": max_steps * measured.step + measured.first_step,
        "evaluations": (len(at_steps) + 1) * (of_evaluation + sample) + len(at_steps) * measured.report,
        "checkpoints": len(saved) * measured.checkpoint,
        "finish": measured.finish
        + measured.end.seconds(held_out)
        + settings.generation.max_new_tokens * measured.sample_token,
    }
    return {
        "seconds": sum(parts.values()),
        "seconds_by_part": parts,
        "tokens_per_second": measured.tokens / measured.step,
        "memory_bytes": measured.peak_bytes,
        **energy(parts["steps"], measured.watts, training.num_threads or available_cores()),
    }


def energy(seconds: float, watts: float | None, cores: int) -> dict[str, Any]:
    """Of the steps: measured, or else an estimate that says so."""
    joules = seconds * (cores * WATTS_A_CORE if watts is None else watts)
    how = (
        f"an estimate, {WATTS_A_CORE:g} W for each of {cores} cores: no counter can be read"
        if watts is None
        else "measured"
    )
    return {
        "joules": joules,
        "energy_is_measured": watts is not None,
        "energy": f"{figure(joules / 3600, 2)} Wh, {how}",
    }
