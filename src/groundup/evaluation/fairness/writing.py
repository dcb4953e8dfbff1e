"""What a model writes after the audits' prompts: drawn, many at once, the same for the same seed; and how it is scored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from groundup.errors import AuditError
from groundup.evaluation.fairness.prompts import Part
from groundup.evaluation.fairness.reading import say_cut, say_unknown
from groundup.evaluation.fairness.settings import FairnessSettings
from groundup.evaluation.tasks.generate import generate_until
from groundup.generation.settings import GenerationSettings
from groundup.language_model import LanguageModel
from groundup.tokens.conversation import encode_conversation, end_of_turn

Begin = Callable[[int], Callable[[int], None]]
"""Told of how many texts will be written; gives what is told of so many more that are done."""
Write = Callable[
    [LanguageModel, Sequence[str], int, FairnessSettings, int, Callable[[str], None], Begin], list[list[str]]
]
"""`continue_texts` or `reply`."""


def unwatched(texts: int) -> Callable[[int], None]:
    """Where nobody looks on."""
    return lambda done: None


def continue_texts(
    language_model: LanguageModel,
    prompts: Sequence[str],
    each: int,
    settings: FairnessSettings,
    seed: int,
    say: Callable[[str], None],
    begin: Begin = unwatched,
) -> list[list[str]]:
    """`each` continuations of each prompt."""
    ids = [language_model.tokenizer.encode(prompt) for prompt in prompts]
    return _write(
        language_model, ids, each, _drawing(language_model, settings, seed, settings.max_new_tokens), None, say, begin
    )


def reply(
    language_model: LanguageModel,
    requests: Sequence[str],
    each: int,
    settings: FairnessSettings,
    seed: int,
    say: Callable[[str], None],
    begin: Begin = unwatched,
) -> list[list[str]]:
    """`each` replies to each request. Raises `AuditError` for a model that was not taught to converse."""
    template, tokenizer = language_model.chat_template, language_model.tokenizer
    if template is None:
        raise AuditError("this model has no chat template, so it can neither follow a request nor refuse one")
    conversations = [[{"role": "user", "content": request}] for request in requests]
    ids = [encode_conversation(tokenizer, template, one, add_generation_prompt=True) for one in conversations]
    end = end_of_turn(tokenizer, template)
    ends = [*tokenizer.end_ids, *([] if end is None else [end])]
    drawing = _drawing(language_model, settings, seed, 2 * settings.max_new_tokens)
    return _write(language_model, ids, each, drawing, ends, say, begin)


def written_scores(
    language_model: LanguageModel,
    parts: Sequence[Part],
    write: Write,
    each: int,
    settings: FairnessSettings,
    seed: int,
    say: Callable[[str], None],
    begin: Begin = unwatched,
) -> Iterator[tuple[Part, NDArray[np.float64]]]:
    """Each part with the scores of what is written after its texts: (texts, each)."""
    asked = [text for part in parts for text in part.texts]
    written = iter(write(language_model, asked, each, settings, seed, say, begin))
    for part in parts:
        texts = [text for _ in part.texts for text in next(written)]
        yield part, np.array(part.scorer(texts)).reshape(-1, each)


def _write(
    language_model: LanguageModel,
    prompts: Sequence[list[int]],
    each: int,
    settings: GenerationSettings,
    stop_ids: Sequence[int] | None,
    say: Callable[[str], None],
    begin: Begin,
) -> list[list[str]]:
    say_unknown(language_model, prompts, "prompts", say)
    say_cut(language_model, prompts, "prompts", say, settings.max_new_tokens)
    wanted = [ids for ids in prompts for _ in range(each)]
    texts = generate_until(language_model, wanted, settings, stop_ids, begin(len(wanted)))
    return [texts[start : start + each] for start in range(0, len(texts), each)]


def _drawing(language_model: LanguageModel, settings: FairnessSettings, seed: int, longest: int) -> GenerationSettings:
    room = max(1, language_model.model.config.max_seq_len // 2)  # at least half of the context is left for the prompt
    return GenerationSettings(
        max_new_tokens=min(longest, room), temperature=settings.temperature, top_p=settings.top_p, seed=seed
    )
