"""What comes between a training's steps and after them: held-out text is read, a text is written."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from groundup.device import autocast_dtype, precision_on, products_in_tf32
from groundup.model.counts import forward_flops
from groundup.recipe.measured import Reading
from groundup.recipe.rehearsal import Rehearsal, timed
from groundup.tokens.prepare import PreparedData
from groundup.tokens.prepared_examples import PreparedExamples
from groundup.training.objectives.preference import read_pairs

LEAST_TOKENS = 128  # that are read, however long it takes: with fewer a product waits for its weights
SAMPLE_TOKENS = 12


def read(rehearsal: Rehearsal, wanted: int, share: float, before: Reading | None = None) -> tuple[Reading, int]:
    """Read so many held-out tokens, or as many as that share of the time allows, or as many as make every thread hold as much memory as it
    ever will: what that takes, and how many were read at once. `before`: what was read before, and how fast.

    Where there are more, as many are read once again, in memory that the first ones left. Part of a window is scaled by its arithmetic.
    """
    config, window, seconds = rehearsal.task.model.config, rehearsal.window, share * rehearsal.seconds
    readers, at_once = rehearsal.readers, rehearsal.batch_tokens
    in_time = int(seconds * rehearsal.speed(before) / rehearsal.flops_a_token)
    in_time *= readers if in_time >= at_once else 1  # the others read their batches meanwhile
    whole = min(wanted, readers * at_once)
    num_tokens = min(whole, _whole_rows(rehearsal, max(min(window, LEAST_TOKENS), in_time)))
    length = min(num_tokens, window)
    scale = rehearsal.flops_a_token / (forward_flops(config, length, length) / length)

    def seconds_a_token(num_tokens: int) -> float:
        return timed(partial(_read, rehearsal, num_tokens, length)) / min(num_tokens, at_once)

    rehearsal.task.model.eval()
    first = further = scale * seconds_a_token(num_tokens)
    if num_tokens == whole < wanted and first * at_once < seconds:
        further = seconds_a_token(_whole_rows(rehearsal, max(window, min(wanted - whole, whole))))
    return Reading(first, further, readers, at_once), num_tokens


def _whole_rows(rehearsal: Rehearsal, num_tokens: int) -> int:
    """As many tokens as are read where so many are asked for: of whole windows, or of a part of one, or of whole rows."""
    if isinstance(rehearsal.data, PreparedData):
        return max(1, num_tokens // rehearsal.window) * min(num_tokens, rehearsal.window)
    return int(rehearsal.mean_row * max(1, num_tokens // rehearsal.mean_row))


def _read(rehearsal: Rehearsal, num_tokens: int, window: int) -> None:
    """As a training's validation does, but for the number of tokens and, of texts, their windows."""
    evaluate = rehearsal.task.evaluate
    assert isinstance(evaluate, partial)  # whose arguments are the model, the data, and at last how many tokens
    model, data, *others, _ = evaluate.args
    if isinstance(data, PreparedExamples):  # which count a pair's longer answer alone
        num_tokens = int(num_tokens / rehearsal.mean_row * data.validation.example_lengths.mean())
    elif window < data.plan.sequence_length:
        data = replace(data, plan=replace(data.plan, sequence_length=window))
    evaluate.func(model, data, *others, num_tokens)


def read_reference(rehearsal: Rehearsal) -> Reading:
    """Read pairs as before their training, in the format of its steps: two for each thread, of middling length, once it has read others."""
    model, device, data = rehearsal.task.model, rehearsal.device, rehearsal.data
    assert isinstance(data, PreparedExamples)
    precision = rehearsal.settings.training.precision
    batches = list(data.training_batches(2))
    some = batches[len(batches) // 2 :][: rehearsal.readers]
    with products_in_tf32(precision_on(device, precision) == "tf32"):
        dtype = autocast_dtype(precision, device)
        list(read_pairs(model, [batch[:1] for batch in some], dtype))
        seconds = timed(lambda: list(read_pairs(model, some, dtype)))
    a_token = seconds * len(some) / sum(batch.size for batch in some)
    return Reading(a_token, a_token, rehearsal.readers, rehearsal.batch_tokens)


def sample_token(rehearsal: Rehearsal) -> float:
    """Seconds that each further token of a text takes: of a few, and where these are quick, of as many as training writes."""
    begun = write_sample(rehearsal, 2)
    rough = max(1e-5, write_sample(rehearsal, 2 + SAMPLE_TOKENS) - begun) / SAMPLE_TOKENS
    wanted = max(SAMPLE_TOKENS, rehearsal.settings.training.sample_tokens)
    more = min(wanted, int(0.06 * rehearsal.seconds / rough))
    if more <= 2 * SAMPLE_TOKENS:
        return rough
    return max(1e-5, write_sample(rehearsal, 2 + more) - begun) / more


def write_sample(rehearsal: Rehearsal, tokens: int) -> float:
    """Seconds to write a text of so many tokens."""
    sampling = replace(rehearsal.settings.generation, max_new_tokens=tokens, num_samples=1, stop=())
    rehearsal.task.model.eval()
    return timed(partial(rehearsal.composition.write, sampling))
