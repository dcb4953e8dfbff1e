"""What a model writes after prompts, many at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from groundup.errors import GenerationError
from groundup.generation.request import Request
from groundup.generation.settings import GenerationSettings
from groundup.language_model import LanguageModel
from groundup.language_model.text_engine import TextEngine
from groundup.model.settings import TransformerConfig

FEWEST_AT_ONCE, MOST_AT_ONCE = 16, 64  # texts in the batch
CACHED_AT_ONCE = 2**27  # numbers in its cache, 512 MB of them, if that is room for more than the fewest


def generate_until(
    language_model: LanguageModel,
    prompts: Sequence[Sequence[int]],
    settings: GenerationSettings,
    stop_ids: Iterable[int] | None = None,
    done: Callable[[int], None] = lambda texts: None,
) -> list[str]:
    """What the model adds to each prompt of ids, up to a stop text, an end token (or one of `stop_ids`), or `settings.max_new_tokens`.

    Of a prompt that leaves no room for as many in the model's context, the end is read, as in lm-eval. `done` is told of so many more
    texts that are whole. Raises `GenerationError` where nothing of a prompt would be left.
    """
    context, max_new_tokens = language_model.model.config.max_seq_len, settings.max_new_tokens
    if max_new_tokens >= context:
        raise GenerationError(
            f"max_new_tokens = {max_new_tokens}: the model's context is {context} tokens, which leaves no room for a prompt; use fewer"
        )
    kept = [list(prompt[-(context - max_new_tokens) :]) for prompt in prompts]
    longest = max((len(prompt) for prompt in kept), default=0) + max_new_tokens
    slots = max(1, min(texts_at_once(language_model.model.config, longest), len(kept)))
    engine = TextEngine(language_model, slots, min(context, longest), piece=0)
    ends = None if stop_ids is None else frozenset(stop_ids)
    # Those that begin alike come one after the other, so that what they share is still there.
    order = sorted(range(len(kept)), key=kept.__getitem__)
    tickets = {engine.add(Request(kept[number], settings, number, ends)): number for number in order}
    texts = [""] * len(kept)
    while engine.busy:
        for piece in engine.step():
            texts[tickets[piece.ticket]] += piece.text
            done(piece.finish is not None)
    return texts


def texts_at_once(config: TransformerConfig, length: int) -> int:
    """How many texts of `length` tokens are written at once: a step's time is mostly that of reading the weights, of few or of many."""
    of_text = 2 * config.num_layers * config.num_kv_heads * config.head_dim * max(1, length)
    return max(FEWEST_AT_ONCE, min(MOST_AT_ONCE, CACHED_AT_ONCE // of_text))
