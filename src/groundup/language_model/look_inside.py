"""What happens inside a model while it reads a text: what surprises it, what it expects, where it looks, what each layer thinks.

    reading = read(language_model, "To be or not to")
    surprisals(reading)                           # bits, token by token
    next_token(reading, -1, GenerationSettings()) # what may follow the last token
    attention_weights(reading, layer=3)           # (H, T, T)
    logit_lens(reading, first=0)                  # what each layer would have said

Shapes: T tokens, L layers, H heads, D d_model, V vocabulary, N positions that are asked for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from groundup.errors import GenerationError, SettingError
from groundup.generation.forward import evaluating
from groundup.generation.sampling import warp_logits
from groundup.generation.settings import GenerationSettings
from groundup.language_model.model import LanguageModel
from groundup.model.transformer import Attention, Block, Rotation, Transformer, attention_matrix, token_positions

LOGITS_AT_ONCE = 2**24  # about 64 MB of them


@dataclass(frozen=True)
class Reading:
    """A text as a model read it, with what stood between its layers."""

    model: Transformer
    ids: tuple[int, ...]
    """The T tokens that were read, the end token before a text among them."""
    starts: int
    """How many of them stand before the text: 1, or 0 where the tokenizer has no end token."""
    stream: Tensor
    """(L + 1, T, D) the residual stream: what enters the first layer, and what leaves each."""
    masks: tuple[Tensor, ...]
    """(T, T) for each layer: which tokens (columns) each token (row) may look at."""
    rotation: Rotation | None

    def position(self, number: int) -> int:
        """A token's place, counted from the end if `number` is negative. Raises `SettingError` for one that isn't there."""
        if not -len(self.ids) <= number < len(self.ids):
            raise SettingError(
                "position", number, f"use a whole number from 0 to {len(self.ids) - 1}, a token of the text"
            )
        return number % len(self.ids)


def read(language_model: LanguageModel, text: str, max_tokens: int | None = None) -> Reading:
    """Read a text of its own, from the end token on as `LanguageModel.score` does, and keep what stands between the layers.

    Raises `GenerationError` for a text of more tokens than the context has room for, or than `max_tokens`; for an empty one
    where the tokenizer has no end token; and for a model whose numbers are not finite.
    """
    model, tokenizer = language_model.model, language_model.tokenizer
    if not isinstance(text, str):
        raise GenerationError(f"the text is {text!r}, a {type(text).__name__}: give a text")
    start = [] if tokenizer.end_id is None else [tokenizer.end_id]
    ids = start + tokenizer.encode(text)
    room = min(model.config.max_seq_len, max_tokens or model.config.max_seq_len)
    if not ids:
        raise GenerationError("the text is empty, and the tokenizer has no end token to start from: give a text")
    if len(ids) > room:
        raise GenerationError(f"the text is {len(ids):,} tokens long, and {room:,} can be looked at: shorten it")
    with evaluating(model):
        return read_ids(model, ids, len(start))


def read_ids(model: Transformer, ids: Sequence[int], starts: int = 0) -> Reading:
    """The pass of `Transformer.hidden_states` over one row of ids, with the stream kept."""
    config, device = model.config, model.token_embedding.weight.device
    positions = token_positions(len(ids), None, None, device)  # (1, T)
    causal = torch.ones(len(ids), len(ids), dtype=torch.bool, device=device).tril()  # (T, T)
    windowed = attention_matrix(positions, None, None, config.sliding_window)
    narrow = causal if windowed is None else windowed[0, 0]
    masks = tuple(causal if layer < config.first_windowed_layer else narrow for layer in range(config.num_layers))
    x, rotation = model.token_embedding(torch.tensor([list(ids)], device=device)), None  # (1, T, D)
    if model.position_embedding is not None:
        x = x + model.position_embedding(positions)
    else:
        rotation = model.rotation(positions, x.dtype)
    stream = [x]
    for layer, block in enumerate(model.blocks):
        stream.append(block(stream[-1], masks[layer], rotation, None, layer, False))
    if not stream[-1].isfinite().all():
        raise GenerationError("the model's numbers are not finite: its weights are damaged, so use another checkpoint")
    return Reading(model, tuple(ids), starts, torch.cat(stream), masks, rotation)


def surprisals(reading: Reading) -> list[float | None]:
    """-log2 p(token | those before it) of each token, in bits (Shannon 1948, §6); None for the first, which nothing predicts.

    Their sum is `LanguageModel.score`'s log-likelihood over -ln 2.
    """
    wanted = torch.tensor(reading.ids[1:], device=reading.stream.device)  # (T - 1,)
    if not len(wanted):
        return [None]
    found: list[float] = []
    rows = max(1, LOGITS_AT_ONCE // reading.model.config.vocab_size)
    with evaluating(reading.model):
        for start in range(0, len(wanted), rows):
            logits = _logits(reading, reading.stream[-1, start : min(start + rows, len(wanted))])
            chosen = wanted[start : start + rows, None]
            found += (-logits.log_softmax(dim=-1).gather(-1, chosen)[:, 0] / math.log(2)).tolist()
    return [None, *(abs(bits) for bits in found)]  # a certain token's is 0, not -0


@dataclass(frozen=True)
class Candidate:
    """A token that may come next."""

    id: int
    before: float
    """Its probability as the model has it."""
    after: float
    """Its probability once the settings have acted: what it is drawn with."""


@dataclass(frozen=True)
class NextToken:
    """What may follow a token."""

    candidates: list[Candidate]
    """The likeliest, before or after the settings, likeliest first."""
    num_kept: int
    """How many tokens can be drawn at all."""
    entropy_before: float
    """In bits (Shannon 1948, §6)."""
    entropy_after: float


def next_token(reading: Reading, position: int, settings: GenerationSettings, count: int = 20) -> NextToken:
    """What may follow the token at `position`, by the model and under the settings; the `count` likeliest of them.

    The settings act through `generation.sampling.warp_logits`, as they do when a text is written; but presence and frequency penalties,
    which act on what was generated, don't: all of this text was read. Temperature 0 leaves one token.
    """
    place = reading.position(position)
    with evaluating(reading.model):
        logits = _logits(reading, reading.stream[-1, place : place + 1])  # (1, V)
        seen = None
        if settings.repetition_penalty != 1.0:
            seen = torch.zeros_like(logits, dtype=torch.bool)
            seen[0, list(reading.ids[: place + 1])] = True
        before, warped = logits.double().softmax(dim=-1)[0], warp_logits(logits, settings, seen)[0].double()  # (V,)
        if settings.temperature == 0.0:
            after = torch.zeros_like(before)
            after[warped.argmax()] = 1.0
        else:
            after = warped.softmax(dim=-1)
        likeliest = torch.maximum(before, after).topk(min(count, len(before))).indices.tolist()
        candidates = [Candidate(token, before[token].item(), after[token].item()) for token in likeliest]
        candidates.sort(key=lambda one: (-one.after, -one.before, one.id))
        return NextToken(candidates, int((after > 0).sum()), _entropy(before), _entropy(after))


def attention_weights(reading: Reading, layer: int) -> Tensor:
    """How much each token (row) looks at each token (column) in each head of a layer: (H, T, T); every row sums to 1.

    softmax(Q Kᵀ / √K) (Vaswani et al. 2017, §3.2.1), computed plainly: the fused kernel, which the model runs, keeps none of it.
    Layers count from 0. Raises `SettingError` for one that the model doesn't have.
    """
    num_layers = reading.model.config.num_layers
    if not 0 <= layer < num_layers:
        raise SettingError("layer", layer, f"use a whole number from 0 to {num_layers - 1}, a layer of the model")
    block = reading.model.blocks[layer]
    assert isinstance(block, Block)
    with evaluating(reading.model):
        x = reading.stream[layer][None]  # (1, T, D)
        query, key = queries_and_keys(
            block.attention, x if block.post_norm else block.attention_norm(x), reading.rotation
        )
        scores = query.float() @ key.float().transpose(-1, -2) / math.sqrt(query.shape[-1])  # (1, H, T, T)
        return scores.masked_fill(~reading.masks[layer], -torch.inf).softmax(dim=-1)[0]


def queries_and_keys(attention: Attention, x: Tensor, rotation: Rotation | None) -> tuple[Tensor, Tensor]:
    """The queries and keys that `Attention.forward` makes of its input (B, T, D): each (B, H, T, K), a key for every head."""
    B, T, _ = x.shape
    query, key, _ = attention.qkv(x).split(attention.qkv_widths, dim=-1)
    query = query.view(B, T, attention.num_heads, attention.head_dim)  # (B, T, H, K)
    key = key.view(B, T, attention.num_kv_heads, attention.head_dim)  # (B, T, G, K)
    if attention.query_norm is not None and attention.key_norm is not None:
        query, key = attention.query_norm(query), attention.key_norm(key)
    query, key = query.transpose(1, 2), key.transpose(1, 2)  # (B, H, T, K), (B, G, T, K)
    if rotation is not None:
        query, key = rotation(query), rotation(key)
    return query, key.repeat_interleave(attention.num_heads // attention.num_kv_heads, dim=1)


@dataclass(frozen=True)
class Guess:
    """What the model would have said if it had ended at some layer."""

    likeliest: list[tuple[int, float]]
    """Tokens with their probabilities, likeliest first."""
    next_rank: int | None
    """The place among all tokens of the one that really follows, from 1; None after the last."""
    next_probability: float | None


def logit_lens(reading: Reading, first: int, num_positions: int = 1, count: int = 3) -> list[list[Guess]]:
    """The next token as each layer would have it: (L + 1) lists of guesses, for N positions from `first` on.

    The stream behind each layer goes through the last norm and the projection to the vocabulary (nostalgebraist 2020, "interpreting
    GPT: the logit lens"). List 0 is of what enters the first layer, list l of what layer l - 1 leaves, the last one the model's own answer.
    """
    start = reading.position(first)
    end = min(start + num_positions, len(reading.ids))
    followers = torch.tensor(
        [*reading.ids[start + 1 : end + 1], -1][: end - start], device=reading.stream.device
    )  # (N,)
    stream = reading.stream[:, start:end].flatten(0, 1)  # ((L + 1)·N, D)
    wanted = followers.repeat(len(reading.stream))  # ((L + 1)·N,)
    rows = max(1, LOGITS_AT_ONCE // reading.model.config.vocab_size)
    guesses: list[Guess] = []
    with evaluating(reading.model):
        for some, followed in zip(torch.split(stream, rows), torch.split(wanted, rows), strict=True):
            logits = _logits(reading, some)
            probabilities = logits.softmax(dim=-1)  # (rows, V)
            values, tokens = probabilities.topk(min(count, logits.shape[-1]), dim=-1)
            chosen = followed.clamp(min=0)[:, None]
            ranks = (logits > logits.gather(-1, chosen)).sum(dim=-1) + 1
            lists = (
                tokens.tolist(),
                values.tolist(),
                followed.tolist(),
                ranks.tolist(),
                probabilities.gather(-1, chosen)[:, 0].tolist(),
            )
            for some_tokens, some_values, follower, rank, probability in zip(*lists, strict=True):
                there = follower >= 0
                likeliest = list(zip(some_tokens, some_values, strict=True))
                guesses.append(Guess(likeliest, rank if there else None, probability if there else None))
    return [guesses[row : row + end - start] for row in range(0, len(guesses), end - start)]


def _logits(reading: Reading, stream: Tensor) -> Tensor:
    """The stream (N, D) through the last norm and to the vocabulary: (N, V), fp32."""
    return reading.model.logits(reading.model.final_norm(stream)).float()


def _entropy(probabilities: Tensor) -> float:
    nats: float = torch.special.xlogy(probabilities, probabilities).sum().item()
    return abs(nats) / math.log(2)
