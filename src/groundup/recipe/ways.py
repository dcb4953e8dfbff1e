"""The ways to run one model, each as a function from the same texts to the log-probabilities of what comes next.

Shapes: N places of a text, V vocabulary.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from groundup.exports.llama_cpp import LlamaCpp
from groundup.generation.engine import Engine
from groundup.generation.forward import Forward, evaluating
from groundup.generation.request import Request
from groundup.generation.settings import GenerationSettings
from groundup.model.transformer import KVCache, Transformer

TIMED_TOKENS = 32
TIMED_PROMPT = 8
Rows = Sequence[Sequence[int]]
"""Texts as ids."""


@dataclass(frozen=True)
class Text:
    """Ids, of which those from `start` on are predicted."""

    name: str
    ids: list[int]
    start: int


@dataclass(frozen=True)
class Reading:
    """What a way said: `logprobs` (N, V) of each of `ids[start:]`, from those before it."""

    ids: list[int]
    start: int
    logprobs: Tensor


@dataclass(frozen=True)
class Way:
    """One way to run the model."""

    name: str
    read: Callable[[Sequence[Text]], list[Reading]]
    score: Callable[[Rows], Tensor]
    """The log-probability of each token but the rows' first, given those before it in its row: one after another, row by row."""
    speed: Callable[[Sequence[int]], float] | None = None
    """New tokens a second, all rows together, after a prompt of `TIMED_PROMPT` tokens; None where it doesn't write."""
    version: str = ""
    """Of the other program."""


def whole_pass(name: str, model: Transformer) -> Way:
    """The network without a cache, as it is trained: every place in one pass."""

    def read(texts: Sequence[Text]) -> list[Reading]:
        with evaluating(model):
            return [Reading(text.ids, text.start, _whole_logprobs(model, text)) for text in texts]

    def score(rows: Rows) -> Tensor:
        with evaluating(model):
            return torch.cat([_own(_whole_logprobs(model, Text("", list(row), 1)), row) for row in rows])

    return Way(name, read, score)


def _own(logprobs: Tensor, row: Sequence[int]) -> Tensor:
    """Of each token of a row but the first its own log-probability; from those of all tokens (len(row) - 1, V)."""
    return logprobs.gather(-1, torch.tensor(row[1:])[:, None])[:, 0]


def _whole_logprobs(model: Transformer, text: Text) -> Tensor:
    device = model.token_embedding.weight.device
    hidden = model.hidden_states(torch.tensor([text.ids[:-1]], device=device))[0, text.start - 1 :]
    return model.logits(hidden).float().log_softmax(-1).cpu()


def engine_ways(model: Transformer, num_texts: int) -> list[Way]:
    """The engine with one text at a time, and then with all at once, of different lengths, whose beginnings it has kept."""
    engine = Engine(model, num_texts)
    return [
        Way(
            "cached engine",
            lambda texts: [reading for text in texts for reading in _written(engine, [text])],
            lambda rows: torch.cat([_scored(engine, [row]) for row in rows]),
            lambda prompt: _engine_speed(model, [prompt], None),
        ),
        Way(
            "batched engine",
            lambda texts: _written(engine, texts),
            lambda rows: _scored(engine, rows),
            lambda prompt: _engine_speed(model, [prompt] * num_texts, None),
        ),
    ]


def _written(engine: Engine, texts: Sequence[Text]) -> list[Reading]:
    """What the engine itself writes after the texts' beginnings, the likeliest token each time, with all log-probabilities."""
    everything = engine.model.config.vocab_size
    tickets = {}
    for text in texts:
        settings = GenerationSettings(max_new_tokens=len(text.ids) - text.start, temperature=0.0)
        tickets[engine.add(Request(text.ids[: text.start], settings, logprobs=everything))] = text
    ids = {ticket: text.ids[: text.start] for ticket, text in tickets.items()}
    rows: dict[int, list[Tensor]] = {ticket: [] for ticket in tickets}
    while engine.busy:
        for token in engine.step():
            ids[token.ticket].append(token.id)
            row = torch.empty(everything)
            row[[place for place, _ in token.likeliest]] = torch.tensor([logprob for _, logprob in token.likeliest])
            rows[token.ticket].append(row)
    return [Reading(ids[ticket], text.start, torch.stack(rows[ticket])) for ticket, text in tickets.items()]


def _scored(engine: Engine, rows: Rows) -> Tensor:
    """What the engine says of a prompt's own tokens."""
    settings = GenerationSettings(max_new_tokens=1, temperature=0.0)
    tickets = [engine.add(Request(row, settings, logprobs=0, prompt_logprobs=True)) for row in rows]
    told: dict[int, list[float]] = {}
    while engine.busy:
        for token in engine.step():
            told[token.ticket] = [each.logprob for each in token.prompt or ()]
    return torch.tensor([logprob for ticket in tickets for logprob in told[ticket]])


def _engine_speed(model: Transformer, prompts: Sequence[Sequence[int]], forward: Forward | None) -> float:
    settings = GenerationSettings(max_new_tokens=TIMED_TOKENS, temperature=0.0)
    room = min(model.config.max_seq_len, TIMED_PROMPT + TIMED_TOKENS)
    engine = Engine(model, len(prompts), max_len=room, forward=forward)
    for prompt in prompts:
        engine.add(Request(list(prompt), settings))
    engine.step()
    begun, num_tokens = time.perf_counter(), 0
    while engine.busy:
        num_tokens += len(engine.step())
    return num_tokens / (time.perf_counter() - begun)


def with_forward(name: str, model: Transformer, forward: Forward, version: str = "") -> Way:
    """Another forward step over the engine's cache: the beginning in one piece, then token by token."""

    def read(texts: Sequence[Text]) -> list[Reading]:
        with evaluating(model):
            return [Reading(text.ids, text.start, _stepped(model, forward, text)) for text in texts]

    def score(rows: Rows) -> Tensor:
        with evaluating(model):
            return _scored_by(model, forward, rows)

    return Way(name, read, score, lambda prompt: _engine_speed(model, [prompt], forward), version)


def _scored_by(model: Transformer, forward: Forward, rows: Rows) -> Tensor:
    """Rows of one length, all in a batch, token by token."""
    weight, ids = model.token_embedding.weight, torch.tensor(rows)
    cache = KVCache(model.config, len(rows), ids.shape[1], weight.device, weight.dtype)
    told = [
        forward(ids[:, place : place + 1], cache).float().log_softmax(-1).gather(-1, ids[:, place + 1 : place + 2])
        for place in range(ids.shape[1] - 1)
    ]
    return torch.cat(told, dim=-1).flatten()


def _stepped(model: Transformer, forward: Forward, text: Text) -> Tensor:
    weight = model.token_embedding.weight
    cache = KVCache(model.config, 1, len(text.ids), weight.device, weight.dtype)
    pieces = [text.ids[: text.start], *([each] for each in text.ids[text.start : -1])]
    logits = [forward(torch.tensor([piece], device=weight.device), cache)[0] for piece in pieces]
    return torch.stack(logits).float().log_softmax(-1).cpu()


def has_transformers() -> bool:
    """Whether it is installed: a reference where it is, never a need."""
    return find_spec("transformers") is not None


def transformers_tokenizer(directory: Path) -> Callable[[str], list[int]]:
    """A text's ids by its AutoTokenizer, special tokens that a text spells taken as text."""
    tokenizer = import_module("transformers").AutoTokenizer.from_pretrained(directory)
    return lambda text: list(tokenizer(text, split_special_tokens=True, verbose=False).input_ids)


def transformers_way(directory: Path) -> Way:
    """The stock class of a Hugging Face directory, computing in fp32, with its own cache of keys and values."""
    transformers = import_module("transformers")
    transformers.utils.logging.disable_progress_bar()
    model = transformers.AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()

    def steps(ids: Sequence[int], start: int) -> list[Tensor]:
        cache: Any = None
        rows = []
        with torch.inference_mode():
            for piece in [ids[:start], *([each] for each in ids[start:-1])]:
                told = model(torch.tensor([piece]), past_key_values=cache, use_cache=True, logits_to_keep=1)
                cache = told.past_key_values
                rows.append(told.logits[0, -1])
        return rows

    def read(texts: Sequence[Text]) -> list[Reading]:
        return [
            Reading(text.ids, text.start, torch.stack(steps(text.ids, text.start)).log_softmax(-1)) for text in texts
        ]

    def score(rows: Rows) -> Tensor:
        with torch.inference_mode():
            return torch.cat([_own(model(torch.tensor([row[:-1]])).logits[0].log_softmax(-1), row) for row in rows])

    def speed(prompt: Sequence[int]) -> float:
        room = int(model.config.max_position_embeddings)
        ids = [*prompt, *[prompt[0]] * TIMED_TOKENS][:room]
        steps(ids[:3], 1)
        begun = time.perf_counter()
        return len(steps(ids, 1)) / (time.perf_counter() - begun)

    return Way("transformers", read, score, speed, str(transformers.__version__))


def llama_cpp_way(llama_cpp: LlamaCpp, config_context: int, vocab_size: int) -> Way:
    """llama.cpp on a GGUF file: the texts' beginnings, one token longer each time, of which it keeps what it has read."""

    def read(texts: Sequence[Text]) -> list[Reading]:
        readings = []
        for text in texts:
            ids = text.ids[:config_context]  # it has room for what it reads and one token more
            rows = [llama_cpp.next_logprobs(ids[:end], vocab_size) for end in range(text.start, len(ids))]
            readings.append(Reading(ids, text.start, torch.stack(rows)))
        return readings

    def score(rows: Rows) -> Tensor:
        told = [llama_cpp.next_logprob(row[:end], row[end], vocab_size) for row in rows for end in range(1, len(row))]
        return torch.tensor(told)

    def speed(prompt: Sequence[int]) -> float:
        return llama_cpp.tokens_per_second(prompt, TIMED_TOKENS)

    return Way("llama.cpp", read, score, speed, llama_cpp.version)
