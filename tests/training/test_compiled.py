"""What PyTorch's compiler is asked for."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch._inductor
from torch import nn

from groundup.training.compiled import SUMS_IN_PARTS, compiled


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The options that it was given."""
    options: list[Any] = []

    def compile_nothing(network: nn.Module, **given: Any) -> nn.Module:
        options.append(given["options"])
        return network

    monkeypatch.setattr(torch, "compile", compile_nothing)
    return options


def test_on_a_card_one_fusion_is_left_out(asked: list[Any]) -> None:
    for device in ("cuda", "cpu"):
        compiled(nn.Identity(), torch.device(device))
    assert asked == [{SUMS_IN_PARTS: False}, None]


def test_a_compiler_that_does_not_know_it_is_not_asked(asked: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """It would refuse an option that it doesn't have."""
    monkeypatch.setattr(torch._inductor, "list_options", lambda: ["triton.cudagraphs"])
    compiled(nn.Identity(), torch.device("cuda"))
    assert asked == [None]
