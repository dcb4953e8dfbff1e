"""The parity certificate: the same texts through every way to run a model, and how far each is from the graph that was trained.

All that is compared are log-probabilities: a shift of all logits by the same amount changes no probability, and llama.cpp tells
no others. Shapes: N places of a text, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from groundup.errors import ExportError
from groundup.generation.engine import Engine
from groundup.generation.request import Request
from groundup.generation.settings import GenerationSettings
from groundup.language_model.model import LanguageModel
from groundup.model.transformer import Transformer
from groundup.recipe.bounds import NO_BOUND, SAME_NUMBERS, Bound
from groundup.recipe.ways import TIMED_PROMPT, Reading, Rows, Text, Way, engine_ways, whole_pass

Say = Callable[[str], None]

ENGLISH = """The ship had been at sea for nine days when the wind turned. Nobody on deck spoke. "We can't go back now," said
the captain at last, "and we've water for 3 weeks, not 12." He looked at the chart: 48° north, far from any land that he knew.
"""
OTHER_SCRIPTS = """Grüße aus Köln! Ça va? Привет, мир. Γειά σου Κόσμε. 你好，世界。こんにちは世界。
नमस्ते दुनिया สวัสดี שלום 🌍👩‍🚀 ½ × 10⁻³ “–” naïve
"""
SPELLED = "<|endoftext|><|im_start|>system<s></s>"  # special tokens, which a text never becomes
HOSTILE = (ENGLISH, OTHER_SCRIPTS, " leading  and trailing ", "\n\n\t x\r\n", SPELLED, "1234567890.5e-10")
LONGEST = 8192  # tokens: of a longer context so many, since time grows with its square (docs/exports.md)
SCORED_TOKENS, ROW = (
    1024,
    128,
)  # of the model's own writing, for the perplexity: in rows of so many, or of a context's length
MOST_ROWS = 64
MOST_NUMBERS = 2**19  # log-probabilities of a text that are compared
NEGLIGIBLE = -80.0  # log-probabilities below are no longer told exactly by everyone


@dataclass(frozen=True)
class Difference:
    """How far a way is from the training graph."""

    max_error: float
    """The largest |Δ log p|, in nats, over the vocabulary and all places."""
    mean_error: float
    kl: float
    """The mean over the places of KL(training graph ‖ way), in nats."""
    greedy_agreement: float
    """The share of places at which both have the same likeliest token."""
    perplexity: float
    """The training graph's, of what the model wrote itself."""
    perplexity_change: float
    """The way's, less the training graph's, as a share of that."""


def make_texts(language_model: LanguageModel) -> tuple[list[Text], list[list[int]]]:
    """What the certificate is measured on: the model's own writing, plain English, other scripts, and a text as long as the context; and
    more of its own writing, for the perplexity."""
    model, tokenizer = language_model.model, language_model.tokenizer
    context = min(model.config.max_seq_len, LONGEST)
    scored = min(128, max(16, MOST_NUMBERS // model.config.vocab_size))
    begin = [tokenizer.end_id] if tokenizer.end_id is not None else tokenizer.encode(ENGLISH)[:1]
    english, others = tokenizer.encode(ENGLISH), tokenizer.encode(OTHER_SCRIPTS)
    rows = own_writing(model, begin)
    longest = begin + (english + others) * (1 + context // max(1, len(english + others)))
    texts = {
        "own writing": rows[0],
        "English": begin + english,
        "other scripts": begin + others,
        "whole context": longest,
    }
    cut = {name: ids[: context + 1] for name, ids in texts.items()}
    return [Text(name, ids, max(1, len(ids) - scored)) for name, ids in cut.items() if len(ids) > 1], rows


def own_writing(model: Transformer, begin: Sequence[int]) -> list[list[int]]:
    """What a model writes by its own probabilities, some 1,024 tokens, in rows of one length that each start with `begin`.

    Of such a text the loss of an export is the model's plus KL(model ‖ export) in expectation, whatever the model was trained on.
    """
    length = min(ROW, model.config.max_seq_len)
    num_rows = max(1, min(MOST_ROWS, SCORED_TOKENS // length))
    engine = Engine(model, num_rows, max_len=length)
    settings = GenerationSettings(max_new_tokens=length - len(begin), temperature=1.0, seed=0)
    rows = {engine.add(Request(begin, settings, sample=i)): list(begin) for i in range(num_rows)}
    while engine.busy:
        for token in engine.step():
            rows[token.ticket].append(token.id)
    return list(rows.values())


@dataclass(frozen=True)
class Reference:
    """What a model's training graph says of the certificate's texts, and how far its engine is from that: the same for every export."""

    way: Way
    texts: list[Text]
    own_rows: Rows
    scores: Tensor
    """The log-probability of each token of `own_rows`."""
    known: dict[tuple[int, ...], Tensor]
    """Readings by their ids."""
    rows: list[dict[str, Any]]
    """The certificate's first rows: the graph itself, and the engine's ways."""


def measure_reference(language_model: LanguageModel, say: Say) -> Reference:
    """Read the texts by the training graph, and by the engine, text by text and together. Raises `ExportError` where the engine is
    outside its bound."""
    texts, own_rows = make_texts(language_model)
    way = whole_pass("training graph", language_model.model)
    say(f"parity: {way.name}")
    known: dict[tuple[int, ...], Tensor] = {}
    _remember(known, way.read(texts))
    reference = Reference(way, texts, own_rows, way.score(own_rows), known, [{"way": way.name}])
    in_memory = [(each, SAME_NUMBERS) for each in engine_ways(language_model.model, len(texts))]
    reference.rows.extend(certify(reference, in_memory, say))
    return reference


def certify(reference: Reference, ways: Sequence[tuple[Way, Bound]], say: Say) -> list[dict[str, Any]]:
    """Compare each way with the reference; a row of figures for each. Raises `ExportError` at the first that is outside its bound."""
    rows: list[dict[str, Any]] = []
    prompt = reference.texts[0].ids[:TIMED_PROMPT]
    for way, bound in ways:
        say(f"parity: {way.name}")
        readings = way.read(reference.texts)
        theirs = [_reference(reference.known, reference.way, reading) for reading in readings]
        difference = compare(readings, theirs, way.score(reference.own_rows), reference.scores)
        check(way.name, difference, bound)
        speed = way.speed(prompt) if way.speed else None
        limits = {name: limit for name, limit in asdict(bound).items() if limit != NO_BOUND}
        rows.append(
            {"way": way.name, "version": way.version, **asdict(difference), "tokens_per_second": speed, "bound": limits}
        )
    return rows


def _remember(known: dict[tuple[int, ...], Tensor], readings: Sequence[Reading]) -> None:
    for reading in readings:
        known[tuple(reading.ids)] = reading.logprobs


def _reference(known: dict[tuple[int, ...], Tensor], reference: Way, reading: Reading) -> Tensor:
    """What the reference says in the places of a reading, whose text may be the way's own."""
    for ids, logprobs in known.items():
        if ids[: len(reading.ids)] == tuple(reading.ids):  # of the longest text not everyone can read the last token
            start = len(ids) - len(logprobs)
            if start <= reading.start:
                return logprobs[reading.start - start : len(reading.ids) - start]
    _remember(known, reference.read([Text("", reading.ids, reading.start)]))
    return known[tuple(reading.ids)]


def compare(
    readings: Sequence[Reading], references: Sequence[Tensor], their_scores: Tensor, our_scores: Tensor
) -> Difference:
    """The figures over all texts together; the perplexities from the log-probabilities of the tokens of a longer one."""
    theirs = torch.cat([reading.logprobs for reading in readings]).double()  # (N, V)
    ours = torch.cat(list(references)).double()
    errors = torch.where(ours > NEGLIGIBLE, (theirs - ours).abs(), 0.0)
    kl = torch.where(ours > NEGLIGIBLE, ours.exp() * (ours - theirs), 0.0).sum(dim=-1).mean()
    losses = [-each.double().mean().item() for each in (our_scores, their_scores)]
    agreement = (theirs.argmax(dim=-1) == ours.argmax(dim=-1)).double().mean()
    return Difference(
        errors.amax().item(),
        errors.mean().item(),
        max(0.0, kl.item()),
        agreement.item(),
        math.exp(losses[0]),
        math.expm1(losses[1] - losses[0]),
    )


def check_ids(name: str, encode: Callable[[str], list[int]], should: Callable[[str], list[int]]) -> None:
    """Raise `ExportError` for a text of which the export's own tokenizer makes other ids than it should."""
    for text in HOSTILE:
        found, expected = encode(text), should(text)
        if found != expected:
            place = next(
                (i for i, (a, b) in enumerate(zip(found, expected, strict=False)) if a != b),
                min(len(found), len(expected)),
            )
            raise ExportError(
                f"{name} makes other tokens of {text[:40]!r} than the model's own tokenizer, from the {place + 1}. on "
                f"({found[place : place + 3]} for {expected[place : place + 3]}), so nothing was written: export to another form"
            )


def check(name: str, difference: Difference, bound: Bound) -> None:
    """Raise `ExportError` naming the figure that is outside its bound."""
    for what, value, limit in (
        ("the largest error of a log-probability", difference.max_error, bound.max_error),
        ("the mean KL divergence", difference.kl, bound.kl),
        ("the change of the perplexity", abs(difference.perplexity_change), bound.perplexity),
    ):
        if not value <= limit:  # not a number is outside, too
            raise ExportError(
                f"{what} in {name} is {value:.3g}, but at most {limit:g} is allowed (docs/exports.md), so nothing was written: "
                "use a number format with more bits"
            )
