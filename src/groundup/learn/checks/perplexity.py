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


class _Reader(nn.Module):
    """What comes next follows from the last token, and a little from all before it, with some dropout."""

    def __init__(self, spread: float, dropout: float = 0.0) -> None:
        super().__init__()
        self.scores = nn.Parameter(spread * torch.randn(VOCABULARY, VOCABULARY))
        self.dropout = nn.Dropout(dropout)
        self.graphs = self.calls = 0

    def forward(self, ids: Tensor) -> Tensor:
        if ids.ndim != 2:
            raise ValueError(f"the model wants ids (1, T), a batch of one, and got {tuple(ids.shape)}")
        self.graphs += torch.is_grad_enabled()
        self.calls += 1
        return self.dropout(self.logits(ids))  # type: ignore[no-any-return]

    def logits(self, ids: Tensor) -> Tensor:
        """Those without dropout: (B, T) -> (B, T, V)."""
        return self.scores[ids] + self.scores[ids].cumsum(dim=1) / 8


def _losses(model: _Reader, text: list[int]) -> Tensor:
    return _charged(model, text[:-1], text[1:])


def _charged(model: _Reader, read: list[int], targets: list[int]) -> Tensor:
    """The loss of each target, by the logits at the token that stands in its place in what was read."""
    with torch.no_grad():
        return F.cross_entropy(model.logits(torch.tensor([read]))[0], torch.tensor(targets), reduction="none")


def _run(attempt: Attempt, model: _Reader, *texts: list[int]) -> object:
    """What it makes of copies of the texts, so that one that writes into them spoils no other check."""
    return attempt["perplexity"](model, [list(text) for text in texts])


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
    return _hint(_run(attempt, _Reader(0.0), TEXTS[0]), float(VOCABULARY), mistakes, otherwise)


def _one_text(attempt: Attempt) -> str:
    model, text = _Reader(2.0), TEXTS[0]
    losses, of_itself = _losses(model, text), _charged(model, text, text)
    mistakes = [
        (of_itself.mean().exp(), ITSELF),
        (of_itself[1:].mean().exp(), ITSELF),
        (_charged(model, text[1:], text[1:]).mean().exp(), ITSELF),
        (of_itself[:-1].mean().exp(), ITSELF),
        (
            _charged(model, text[1:], text[:-1]).mean().exp(),
            "each token is asked for the one before it: the logits at t are for the token at t + 1",
        ),
        (
            torch.cat([_losses(model, text[place : place + 2]) for place in range(len(text) - 1)]).mean().exp(),
            "the model is shown one token at a time, and can't know what came before it: show it the whole text",
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
    return _hint(_run(attempt, model, text), float(losses.mean().exp()), mistakes, otherwise)


def _several(attempt: Attempt) -> str:
    model = _Reader(2.0)
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
        (torch.cat([parts[0], parts[2]]).mean().exp(), "a text of two tokens is left out: its second is predicted"),
        (joined.mean().exp(), "the texts were joined: the first token of one was predicted from the last of another"),
    ]
    otherwise = "over several texts every predicted token counts the same"
    return _hint(_run(attempt, model, *TEXTS), float(torch.cat(parts).mean().exp()), mistakes, otherwise)


def _short(attempt: Attempt) -> str:
    model = _Reader(2.0)
    right = float(_losses(model, TEXTS[0]).mean().exp())
    return _hint(
        _run(attempt, model, [3], TEXTS[0], []),
        right,
        [],
        "texts of fewer than two tokens should be left out",
    )


def _dropout(attempt: Attempt) -> str:
    model = _Reader(2.0, dropout=0.5)
    model.train()
    found = _run(attempt, model, *TEXTS)
    right = float(torch.cat([_losses(model, text) for text in TEXTS]).mean().exp())
    return _hint(found, right, [], "dropout was on: model.eval() before measuring")


def _texts_stay(attempt: Attempt) -> str:
    given = [list(text) for text in TEXTS]
    attempt["perplexity"](_Reader(2.0), given)
    return "" if given == list(TEXTS) else "it changed the texts that it was given: work on a copy"


def _one_call_a_text(attempt: Attempt) -> str:
    model = _Reader(2.0)
    _run(attempt, model, *TEXTS)
    many = f"the model was called {model.calls} times for {len(TEXTS)} texts: one call gives the logits at every place of a text"
    return many if model.calls > len(TEXTS) else ""


def _no_graph(attempt: Attempt) -> str:
    model = _Reader(2.0)
    _run(attempt, model, *TEXTS)
    return "it kept everything for gradients that nobody asks for: with torch.no_grad()" if model.graphs else ""


CHECKS = (
    Check("a blind guess among six hesitates between six", _blind),
    Check("one text: exp of the mean of -ln P", _one_text),
    Check("several texts: every token counts the same", _several),
    Check("texts with nothing to predict", _short),
    Check("dropout is off", _dropout),
    Check("the texts are left as they were", _texts_stay),
    Check("no graph is kept", _no_graph),
    Check("a call for each text is enough", _one_call_a_text),
)
