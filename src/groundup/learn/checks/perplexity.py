"""Checks of `perplexity`."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groundup.learn.checking import Attempt, Check

VOCABULARY = 6
FEWER = "it is divided by the number of tokens: one fewer is predicted, since the first has nothing before it"
ITSELF = "each token is asked to predict itself: the logits at t are for the token at t + 1, so shift one of the two"
TEXTS = ([0, 1, 2, 3, 4, 5, 0, 1], [5, 3], [2, 2, 4])


class _Bigrams(nn.Module):
    """What comes next follows from the last token alone, with some dropout."""

    def __init__(self, spread: float, dropout: float = 0.0) -> None:
        super().__init__()
        self.scores = nn.Parameter(spread * torch.randn(VOCABULARY, VOCABULARY))
        self.dropout = nn.Dropout(dropout)
        self.graphs = 0

    def forward(self, ids: Tensor) -> Tensor:
        if ids.ndim != 2:
            raise ValueError(f"the model wants ids (1, T), a batch of one, and got {tuple(ids.shape)}")
        self.graphs += torch.is_grad_enabled()
        return self.dropout(self.scores[ids])  # type: ignore[no-any-return]


def _losses(model: _Bigrams, text: list[int], shift: int = 1) -> Tensor:
    with torch.no_grad():
        return F.cross_entropy(model.scores[text[: len(text) - shift]], torch.tensor(text[shift:]), reduction="none")


def _hint(found: object, right: float, mistakes: Sequence[tuple[float | Tensor, str]], otherwise: str) -> str:
    if isinstance(found, Tensor):
        return "it gave a tensor: make a float of it, with .item()"
    if not isinstance(found, float):
        return f"it should give a float, and gave {type(found).__name__}: does it end with a return?"
    if math.isclose(found, right, rel_tol=1e-5):
        return ""
    for wrong, hint in mistakes:
        if math.isclose(found, float(wrong), rel_tol=1e-5):
            return hint
    return f"{otherwise}; it gave {found:.4f}, and {right:.4f} is right"


def _blind(attempt: Attempt) -> str:
    loss = math.log(VOCABULARY)
    mistakes = [
        (loss, "this is the loss: perplexity is exp of it"),
        (math.exp(-loss), "this is 1 / perplexity: the loss is -ln P, so mind the sign"),
        (math.exp(loss / math.log(2)), "this is exp of a loss in bits: exp wants nats, the natural logarithm"),
        (2**loss, "this is 2 to the power of the loss: a loss in nats wants exp"),
        (math.exp(loss * (len(TEXTS[0]) - 1) / len(TEXTS[0])), FEWER),
        (
            math.exp(loss / (len(TEXTS[0]) - 1)),
            "a mean was divided once more by the number of tokens: sum the losses (reduction='sum'), divide once",
        ),
    ]
    otherwise = f"whoever guesses blindly among {VOCABULARY} tokens hesitates between {VOCABULARY}"
    return _hint(attempt["perplexity"](_Bigrams(0.0), [TEXTS[0]]), float(VOCABULARY), mistakes, otherwise)


def _one_text(attempt: Attempt) -> str:
    model, text = _Bigrams(2.0), TEXTS[0]
    losses, of_itself = _losses(model, text), _losses(model, text, shift=0)
    mistakes = [
        (of_itself.mean().exp(), ITSELF),
        (of_itself[1:].mean().exp(), ITSELF),
        (of_itself[:-1].mean().exp(), ITSELF),
        (
            _losses(model, text[::-1]).mean().exp(),
            "each token is asked for the one before it: the logits at t are for the token at t + 1",
        ),
        (losses[1:].mean().exp(), "the second token is left out: only the first has nothing before it"),
        (
            losses[torch.tensor(text[1:]) != 0].mean().exp(),
            "where the token 0 comes its loss is left out: it is a token like any other, and no padding",
        ),
        (losses.sum().exp(), "this is exp of the sum: divide by the number of predicted tokens first"),
        (
            losses.exp().mean(),
            "this is the mean of each token's own perplexity: take the mean of the losses first, and exp at the end",
        ),
    ]
    otherwise = "for a single text it is exp of the mean of -ln P"
    return _hint(attempt["perplexity"](model, [text]), float(losses.mean().exp()), mistakes, otherwise)


def _several(attempt: Attempt) -> str:
    model = _Bigrams(2.0)
    parts = [_losses(model, text) for text in TEXTS]
    means = torch.stack([part.mean() for part in parts])
    joined = _losses(model, [one for text in TEXTS for one in text])
    sizes = torch.tensor([float(len(text)) for text in TEXTS])
    filled = [_losses(model, text + [0] * (len(TEXTS[0]) - len(text))) for text in TEXTS]
    mistakes = [
        (
            ((means * sizes).sum() / sizes.sum()).exp(),
            "each text's mean is weighed by its tokens: weigh it by those that are predicted, one fewer",
        ),
        (torch.cat(filled).mean().exp(), "shorter texts were filled up, and the filling was predicted, too"),
        (
            means.mean().exp(),
            "this is the mean of the texts' mean losses, in which a token of a short text counts more: sum all, divide once",
        ),
        (
            means.exp().mean(),
            "this is the mean of the texts' perplexities: sum all losses, divide once, and take exp at the end",
        ),
        (joined.mean().exp(), "the texts were joined: the first token of one was predicted from the last of another"),
    ]
    otherwise = "over several texts every predicted token counts the same"
    return _hint(attempt["perplexity"](model, TEXTS), float(torch.cat(parts).mean().exp()), mistakes, otherwise)


def _short(attempt: Attempt) -> str:
    model = _Bigrams(2.0)
    right = float(_losses(model, TEXTS[0]).mean().exp())
    return _hint(
        attempt["perplexity"](model, [[3], TEXTS[0], []]),
        right,
        [],
        "texts of fewer than two tokens should be left out",
    )


def _dropout(attempt: Attempt) -> str:
    model = _Bigrams(2.0, dropout=0.5)
    model.train()
    found = attempt["perplexity"](model, TEXTS)
    right = float(torch.cat([_losses(model, text) for text in TEXTS]).mean().exp())
    return "" if math.isclose(found, right, rel_tol=1e-5) else "dropout was on: model.eval() before measuring"


def _no_graph(attempt: Attempt) -> str:
    model = _Bigrams(2.0)
    attempt["perplexity"](model, TEXTS)
    return "it kept everything for gradients that nobody asks for: with torch.no_grad()" if model.graphs else ""


CHECKS = (
    Check("a blind guess among six hesitates between six", _blind),
    Check("one text: exp of the mean of -ln P", _one_text),
    Check("several texts: every token counts the same", _several),
    Check("texts with nothing to predict", _short),
    Check("dropout is off", _dropout),
    Check("no graph is kept", _no_graph),
)
