"""AdamW of a matrix at once, plainly: PyTorch's own optimizer, steps that are skipped, and copies in the products' format."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from groundup.training import adamw
from groundup.training.adamw import AdamWGroup, MatrixGroup, update_plainly
from groundup.training.settings import TrainingSettings

SETTINGS = TrainingSettings(optimizer="adamw", beta1=0.8, beta2=0.97)


@pytest.fixture
def plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adamw, "update_on_a_card", update_plainly)


def matrices() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {"one": torch.nn.Parameter(torch.randn(5, 3)), "other": torch.nn.Parameter(torch.randn(2, 7))}


def gradients(step: int) -> list[Tensor]:
    torch.manual_seed(step + 1)
    return [torch.randn(5, 3), torch.randn(2, 7)]


@pytest.mark.usefixtures("plainly")
def test_it_is_pytorchs_adamw() -> None:
    """Each matrix with a weight decay of its own, a rate that changes, and gradients that are shrunk first."""
    named, theirs = matrices(), list(matrices().values())
    group = MatrixGroup(list(named), named, [0.3, 0.0], {})
    groups = [{"params": [theirs[0]], "weight_decay": 0.3}, {"params": [theirs[1]], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, betas=(0.8, 0.97), eps=1e-8)
    for step in range(6):
        lr, shrink = 0.1 / (1 + step), 1.0 if step % 2 else 0.25
        for mine, other, gradient in zip(named.values(), theirs, gradients(step), strict=True):
            mine.grad, other.grad = gradient, gradient * shrink
        for each in optimizer.param_groups:
            each["lr"] = lr
        optimizer.step()
        group.step(SETTINGS, torch.tensor(lr), torch.tensor(0.0), None if step % 2 else torch.tensor(shrink))
    for mine, other in zip(named.values(), theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-6)
    assert [float(step) for step in group.steps] == [6, 6]


@pytest.mark.usefixtures("plainly")
def test_a_step_that_is_skipped_changes_nothing_even_of_gradients_that_are_no_numbers() -> None:
    named = matrices()
    copies = {"one": torch.nn.Parameter(named["one"].detach().bfloat16())}
    group = MatrixGroup(list(named), named, [0.1, 0.1], copies)
    for step, bad in enumerate((False, True, False)):
        for learner, gradient in zip(group.learners, gradients(step), strict=True):
            learner.grad = (gradient * (torch.nan if bad else 1.0)).to(learner.dtype)
        before = [
            tensor.clone()
            for tensor in (*group.parameters, *group.averages, *group.squares, *group.steps, copies["one"])
        ]
        group.step(SETTINGS, torch.tensor(0.1), torch.tensor(float(bad)))
        after = (*group.parameters, *group.averages, *group.squares, *group.steps, copies["one"])
        assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True)) == bad
    assert [float(step) for step in group.steps] == [2, 2]


@pytest.mark.usefixtures("plainly")
def test_what_has_a_copy_learns_from_its_gradient_and_the_copy_follows() -> None:
    """As if that gradient, in two bytes, had come to the weight itself."""
    named, same = matrices(), matrices()
    copies = {"one": torch.nn.Parameter(named["one"].detach().bfloat16())}
    group, wide = MatrixGroup(list(named), named, [0.1, 0.1], copies), AdamWGroup(list(same), same, 0.1)
    assert [learner.dtype for learner in group.learners] == [torch.bfloat16, torch.float32]
    for step in range(4):
        for learner, other, gradient in zip(group.learners, same.values(), gradients(step), strict=True):
            learner.grad = gradient.to(learner.dtype)
            other.grad = learner.grad.float()
        group.step(SETTINGS, torch.tensor(0.05), torch.tensor(0.0))
        wide.step(SETTINGS, 0.05, torch.tensor(0.0))
        assert torch.equal(copies["one"], named["one"].bfloat16())
    for mine, other in zip(named.values(), same.values(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-6)
