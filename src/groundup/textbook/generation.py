"""Generation: predict a token, append it, read everything again, predict the next.

Shapes, at the line ends: B batch, T time, V vocabulary.
"""

from __future__ import annotations

import math
from typing import Literal, Protocol, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groundup.textbook.next_token import compute_logits

Prompt = TypeVar("Prompt", str, list[str])


class Tokenizer(Protocol):
    """What generation asks of a tokenizer: `CharacterTokenizer` has it, and so do Hugging Face's."""

    @property
    def eos_token_id(self) -> int | None: ...
    def encode(self, text: str, *, return_tensors: Literal["pt"]) -> Tensor: ...
    def decode(self, ids: list[int], *, skip_special_tokens: bool) -> str: ...


def sample_next_token(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """Draw one token a row from softmax(logits / temperature): (B, V) -> (B,) (Hinton et al. 2015, §2, equation 1).

    Below 1 the likely tokens gain, above 1 the unlikely ones; at 0, the limit, the likeliest token is taken always.
    Raises `ValueError` for a temperature that is negative or not finite.
    """
    if not (temperature >= 0 and math.isfinite(temperature)):
        raise ValueError(
            f"temperature = {temperature}: use 0 for the likeliest token always, or a finite number above 0."
        )
    if temperature < 1e-8:  # dividing by it would give infinities
        return logits.argmax(dim=-1)  # (B,)
    probabilities = F.softmax(logits.float() / temperature, dim=-1)  # (B, V)
    return torch.multinomial(probabilities, num_samples=1).squeeze(1)  # (B,)


def context_window(model: nn.Module) -> int | None:
    """The most tokens that the model can read at once, as it or its config says; None if neither does."""
    for owner in (model, getattr(model, "config", None)):
        for name in ("max_seq_len", "max_position_embeddings"):
            window = getattr(owner, name, None)
            if isinstance(window, int):
                return window
    return None


def generate_tokens(
    model: nn.Module, input_ids: Tensor, max_new_tokens: int, temperature: float = 1.0, eos_token_id: int | None = None
) -> Tensor:
    """Continue each row of ids: (B, T) -> (B, T + up to max_new_tokens).

    A row that has drawn the end token is filled with it while others go on; when all have, the loop stops. Once the
    text is longer than the model's window, the model reads its last part only. Nothing is remembered from step to step,
    so each reads all tokens again: the simplest way, and the slowest.
    """
    window = context_window(model)
    finished = torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)  # (B,)
    with torch.no_grad():
        for _ in range(max_new_tokens):
            visible = input_ids if window is None else input_ids[:, -window:]  # (B, up to window)
            logits = compute_logits(model, visible)[:, -1]  # (B, V)
            next_tokens = sample_next_token(logits, temperature)  # (B,)
            if eos_token_id is not None:
                next_tokens = next_tokens.masked_fill(finished, eos_token_id)
                finished = finished | (next_tokens == eos_token_id)
            input_ids = torch.cat([input_ids, next_tokens[:, None]], dim=1)  # (B, T + 1)
            if finished.all():
                break
    return input_ids


def generate_text(
    model: nn.Module,
    tokenizer: Tokenizer,
    prompt: Prompt,
    max_length: int = 100,
    temperature: float = 1.0,
    device: torch.device | str = "cpu",
) -> Prompt:
    """The prompt and what the model writes after it: up to `max_length` *new* tokens, fewer if it draws the end token.

    `model` is `SimpleLanguageModel` or any causal language model, Hugging Face's too. Prompts in a list give a list of
    texts. An empty prompt starts from the end token: what follows an end is a beginning. `torch.manual_seed` makes a
    draw repeatable. Leaves the model in evaluation mode (dropout off).

    Raises `ValueError` for a negative `max_length`, a `temperature` that is negative or not finite, and an empty prompt
    when the tokenizer has no end token.
    """
    if isinstance(prompt, list):
        return [generate_text(model, tokenizer, one, max_length, temperature, device) for one in prompt]
    if max_length < 0:
        raise ValueError(f"max_length = {max_length}: it counts the new tokens, so use a whole number of at least 0.")
    model.to(device)
    model.eval()
    prompt_ids = tokenizer.encode(prompt, return_tensors="pt").to(device)  # (1, T)
    if prompt_ids.numel() == 0:
        if tokenizer.eos_token_id is None:
            raise ValueError("The prompt is empty, and the tokenizer has no end token to start from: give some text.")
        prompt_ids = torch.tensor([[tokenizer.eos_token_id]], device=device)  # (1, 1)
    all_ids = generate_tokens(model, prompt_ids, max_length, temperature, tokenizer.eos_token_id)  # (1, T + new)
    # Decoding the whole keeps the space between old and new; the prompt itself is given back just as it was written.
    before = tokenizer.decode(prompt_ids[0].tolist(), skip_special_tokens=True)
    text = tokenizer.decode(all_ids[0].tolist(), skip_special_tokens=True)
    return prompt + text[len(before) :]
