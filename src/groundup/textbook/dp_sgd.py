"""Differentially private training: what the model learns from any one text stays so small that noise hides it.

Shapes, at the line ends: … a parameter's own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

Example = Tensor
LossOfExample = Callable[[nn.Module, Example], Tensor]


def poisson_sample(num_examples: int, sample_rate: float) -> list[int]:
    """Which examples a step reads: each with the probability `sample_rate`, whatever becomes of the others.

    So a batch has no fixed size, and may be empty. What a step does to privacy is counted for this way of drawing: nobody can tell
    whether an example was read at all (Abadi et al. 2016, §3.1). A shuffled data set would need another, far weaker count.
    """
    return torch.nonzero(torch.rand(num_examples) < sample_rate).flatten().tolist()


def clipped_gradient(
    model: nn.Module, loss_of: LossOfExample, examples: Sequence[Example], clip_norm: float
) -> list[Tensor]:
    """The sum of the examples' gradients, each scaled down to `clip_norm` if it is longer: Σᵦ gᵦ min(1, C / ‖gᵦ‖).

    One example after the other, since the gradient of a batch's loss is already a sum, in which nobody's part can be bounded any
    more. The norm is that of all parameters together. Whoever adds or removes one example now moves the result by C at most.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    total = [torch.zeros_like(parameter) for parameter in parameters]
    for example in examples:
        gradients = torch.autograd.grad(loss_of(model, example), parameters)
        norm = math.sqrt(sum(float(gradient.square().sum()) for gradient in gradients))
        for one, gradient in zip(total, gradients, strict=True):
            one += gradient * min(1.0, clip_norm / max(norm, 1e-12))  # (…)
    return total


def private_gradient(
    model: nn.Module,
    loss_of: LossOfExample,
    examples: Sequence[Example],
    clip_norm: float,
    noise_multiplier: float,
    expected_batch_size: float,
) -> list[Tensor]:
    """(Σᵦ clipped gᵦ + σ C N(0, 1)) / L: algorithm 1 of Abadi et al. 2016, Deep learning with differential privacy.

    The noise is σ times as large as what one example can add, in every direction, so that the sum with it and the sum without it are
    hard to tell apart. It is divided by the batch size that is expected, L, and not by the one that was drawn: how many there were
    is a secret, too. Any optimizer may use the result, since what is computed from a private number is private itself.
    """
    total = clipped_gradient(model, loss_of, examples, clip_norm)
    return [(one + noise_multiplier * clip_norm * torch.randn_like(one)) / expected_batch_size for one in total]


def dp_sgd_step(
    model: nn.Module,
    loss_of: LossOfExample,
    examples: Sequence[Example],
    sample_rate: float,
    clip_norm: float,
    noise_multiplier: float,
    learning_rate: float,
) -> None:
    """One step of DP-SGD: draw, clip, add noise, go down."""
    drawn = [examples[place] for place in poisson_sample(len(examples), sample_rate)]
    expected = sample_rate * len(examples)
    gradients = private_gradient(model, loss_of, drawn, clip_norm, noise_multiplier, expected)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    with torch.no_grad():
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.sub_(learning_rate * gradient)


def epsilon_of_whole_batches(noise_multiplier: float, steps: int, delta: float) -> float:
    """ε after `steps` steps that read everything (a sample rate of 1), by Rényi divergence.

    The Gaussian mechanism's divergence of order α is α / 2σ² a step; steps add up, and ε = min over α of the sum + log(1/δ) / (α - 1)
    (Mironov 2017, Rényi differential privacy, propositions 1, 3 and 7), which is least at α = 1 + σ √(2 log(1/δ) / steps). Drawing a
    batch makes ε far smaller; that sum has no closed form, and an accountant computes it.
    """
    rho = steps / (2 * noise_multiplier**2)
    return rho + 2 * math.sqrt(rho * math.log(1 / delta))
