"""Continuous batching: texts join and leave at every step, each in a row of one cache of keys and values.

Shapes, at the line ends: B rows that run, S places in a row, D d_model, H heads, K head_dim, V vocabulary.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import torch
from torch import Tensor

from groundup.textbook.attention import scaled_dot_product_attention
from groundup.textbook.language_model import SimpleLanguageModel
from groundup.textbook.transformer_block import TransformerBlock


def blocks_of(model: SimpleLanguageModel) -> list[TransformerBlock]:
    """The model's blocks, with the type that a list of modules doesn't tell."""
    return [block for block in model.transformer_blocks if isinstance(block, TransformerBlock)]


class KeyValueCache:
    """What attention has to know of the tokens that were read: the keys and values of `num_rows` texts.

    A token's key and value follow from it and from those before it, so they never change, and need be computed only once.
    """

    def __init__(self, model: SimpleLanguageModel, num_rows: int) -> None:
        heads = [block.attention for block in blocks_of(model)]
        shapes = [(num_rows, each.num_heads, model.max_seq_len, each.head_dim) for each in heads]
        self.keys = [torch.zeros(shape) for shape in shapes]  # (rows, H, S, K) a layer
        self.values = [torch.zeros(shape) for shape in shapes]
        self.lengths = torch.zeros(num_rows, dtype=torch.long)  # how many places of each row are filled


@torch.no_grad()
def read_one(model: SimpleLanguageModel, cache: KeyValueCache, rows: Tensor, tokens: Tensor) -> Tensor:
    """Read one more token for each of these rows, (B,) and (B,): the logits (B, V) of what comes after it.

    `SimpleLanguageModel.forward` for a single place: its key and value are added to those that are there, and its query looks at all.
    """
    places = cache.lengths[rows]  # (B,)
    is_filled = torch.arange(model.max_seq_len) <= places[:, None]  # (B, S)
    x = model.token_embedding(tokens) + model.position_embedding(places)  # (B, D)
    for block, keys, values in zip(blocks_of(model), cache.keys, cache.values, strict=True):
        attention = block.attention
        heads = len(rows), attention.num_heads, attention.head_dim
        keys[rows, :, places] = attention.key_projection(x).view(heads)
        values[rows, :, places] = attention.value_projection(x).view(heads)
        query = attention.query_projection(x).view(heads)[:, :, None]  # (B, H, 1, K)
        seen = scaled_dot_product_attention(query, keys[rows], values[rows], is_filled[:, None, None])  # (B, H, 1, K)
        x = block.norm1(x + attention.output_projection(seen.flatten(start_dim=1)))  # (B, D)
        x = block.norm2(x + block.ffn(x))  # (B, D)
    cache.lengths[rows] += 1
    return model.output_projection(model.ln_final(x))  # type: ignore[no-any-return]  # (B, V)


@dataclass(eq=False)
class Text:
    """A prompt, and what is written after it."""

    ids: list[int]
    num_left: int
    """How many tokens are still to come."""


class ContinuousBatch:
    """Greedy generation for texts that come when they like: at most `num_rows` run, the others wait (Yu et al. 2022, §3).

    The batch is made anew for every step. A text that has ended gives its row to the next one at once, so no row works for
    nothing while the longest text is finished. Each step reads one token of each text: of its prompt, as long as there is
    one to read, and then the one that was chosen last.
    """

    def __init__(self, model: SimpleLanguageModel, num_rows: int, eos_token_id: int | None = None) -> None:
        self.model, self.eos_token_id = model.eval(), eos_token_id
        self.cache = KeyValueCache(model, num_rows)
        self.waiting: deque[Text] = deque()
        self.running: dict[int, Text] = {}  # by their rows

    def add(self, prompt: list[int], max_new_tokens: int) -> Text:
        """Let a prompt wait for a row. Its `Text` grows as it is written. Raises `ValueError` if a row can't hold it."""
        if not prompt or max_new_tokens < 1 or len(prompt) + max_new_tokens > self.model.max_seq_len:
            raise ValueError(
                f"{len(prompt)} tokens and {max_new_tokens} new ones: give at least one of each, and together at most "
                f"the model's context, {self.model.max_seq_len}."
            )
        self.waiting.append(Text(list(prompt), max_new_tokens))
        return self.waiting[-1]

    def step(self) -> None:
        """Fill the free rows, read a token of each text that runs, and let those that are done leave."""
        for row in range(len(self.cache.lengths)):
            if self.waiting and row not in self.running:
                self.running[row] = self.waiting.popleft()
                self.cache.lengths[row] = 0  # what the last text left there is out of sight
        if not self.running:
            return
        rows = torch.tensor(list(self.running))  # (B,)
        lengths = self.cache.lengths[rows].tolist()
        tokens = [text.ids[length] for text, length in zip(self.running.values(), lengths, strict=True)]
        chosen = read_one(self.model, self.cache, rows, torch.tensor(tokens)).argmax(dim=-1)  # (B,)
        for row, length, token in zip(rows.tolist(), lengths, chosen.tolist(), strict=True):
            text = self.running[row]
            if length + 1 == len(text.ids):  # all of it is read, so this is new
                text.ids.append(token)
                text.num_left = 0 if token == self.eos_token_id else text.num_left - 1
                if not text.num_left:
                    del self.running[row]
