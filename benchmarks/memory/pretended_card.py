"""A CUDA card that isn't there, pretended by PyTorch's meta tensors, which have shapes, formats and sizes but no numbers.

Steps of a card can be taken on it, on any machine and of any size: the code takes its ways for `cuda`, each operation is asked for and
makes what it makes, whoever asks for a number is refused, and all that is allocated is counted. What a card would do another way than the
meta device is done so here: which kernels attention, norms and dropout take, and which formats autocast gives. Nothing is computed, so it
says nothing about numbers or time; nor of compiled networks, recorded steps and kernels of our own, for which something plain stands here.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.graph import _engine_run_backward
from torch.overrides import TorchFunctionMode
from torch.utils import checkpoint
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from groundup.training import adamw, shards, step
from groundup.training.objectives import token_loss_on_a_gpu

CARD, META = torch.device("cuda", 0), torch.device("meta")
BLOCK = 512
"""Bytes: PyTorch's allocator for CUDA gives whole blocks of so many."""
NARROWED = {
    F.linear,
    F.scaled_dot_product_attention,
    torch.matmul,
    torch.mm,
    torch.bmm,
    torch.addmm,
    Tensor.matmul,
    Tensor.__matmul__,
    Tensor.mm,
    Tensor.bmm,
}
"""What autocast computes in its narrow format on a card, of what a network of ours asks for (PyTorch's documentation, "CUDA Ops that can
autocast to float16"; bf16 likewise)."""
WIDENED = {F.layer_norm, F.softmax, F.log_softmax, F.cross_entropy, torch.softmax, torch.log_softmax, F.logsigmoid}
"""And what in fp32."""
FLOATS = (torch.float32, torch.bfloat16, torch.float16)


class PretendedCard(TorchFunctionMode):
    """While it is entered, `cuda` is meta tensors that say they were on a card."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func == Tensor.device.__get__:
            return CARD if func(*args) == META else func(*args)
        if func == Tensor.is_cuda.__get__:  # type: ignore[attr-defined]
            return args[0].is_meta
        if func is Tensor.pin_memory:
            return args[0]
        if func is Tensor.backward:
            return self._way_back(args[0])
        if func is torch.device:
            return func(*args, **kwargs)
        args, kwargs = tree_map(on_meta, args), tree_map(on_meta, kwargs)
        if torch.is_autocast_enabled("cuda") and func in NARROWED | WIDENED:
            dtype = torch.get_autocast_dtype("cuda") if func in NARROWED else torch.float32
            args, kwargs = (tree_map(lambda each: in_format(each, dtype), given) for given in (args, kwargs))
        if (
            func is Tensor.__getitem__
            and isinstance(args[1], Tensor)
            and args[1].is_meta
            and args[1].dtype == torch.bool
        ):
            return args[0].flatten(0, args[1].ndim - 1).clone()  # how many are chosen only numbers could say: all
        if any(isinstance(each, Tensor) and each.is_meta for each in args):
            func = KERNELS.get(func, func)
        return func(*args, **kwargs)

    def _way_back(self, loss: Tensor) -> None:
        """With this mode at work, which rests while a function is on that it was asked about: blocks may be computed again there."""
        with self:
            _engine_run_backward(
                (loss,), (torch.ones_like(loss),), False, False, (), allow_unreachable=True, accumulate_grad=True
            )


def on_meta(argument: Any) -> Any:
    """An argument, where it names a card the meta device in its place."""
    if isinstance(argument, torch.device) and argument.type == "cuda":
        return META
    return "meta" if isinstance(argument, str) and argument.partition(":")[0] == "cuda" else argument


def in_format(argument: Any, dtype: torch.dtype) -> Any:
    """An argument; a tensor of floating-point numbers as autocast hands it on."""
    return argument.to(dtype) if isinstance(argument, Tensor) and argument.dtype in FLOATS else argument


def attention_on_a_card(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    **others: Any,
) -> Tensor:
    """Without a mask and in two bytes flash attention, whose memory is cuDNN's, too; else the memory-efficient kernel, which a mask is made
    numbers for."""
    if attn_mask is None and query.dtype != torch.float32:
        return torch.ops.aten._scaled_dot_product_flash_attention(query, key, value, dropout_p, is_causal)[0]  # type: ignore[no-any-return]
    if attn_mask is not None:
        if attn_mask.dtype == torch.bool:
            attn_mask = torch.zeros_like(attn_mask, dtype=query.dtype).masked_fill_(~attn_mask, -math.inf)
        attn_mask = attn_mask.expand(*query.shape[:3], key.shape[2])
    learns = torch.is_grad_enabled() and query.requires_grad
    kernel = torch.ops.aten._scaled_dot_product_efficient_attention
    return kernel(query, key, value, attn_mask, learns, dropout_p, is_causal)[0]  # type: ignore[no-any-return]


def dropout_on_a_card(x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Keeps one byte a number of what it drew."""
    return torch.ops.aten.native_dropout(x, p, training)[0]  # type: ignore[no-any-return]


def rms_norm_on_a_card(x: Tensor, shape: list[int], weight: Tensor | None = None, eps: float | None = None) -> Tensor:
    """One kernel, as there."""
    return torch.ops.aten._fused_rms_norm(x, shape, weight, eps)[0]  # type: ignore[no-any-return]


KERNELS: dict[Callable[..., Any], Callable[..., Any]] = {
    F.scaled_dot_product_attention: attention_on_a_card,
    F.dropout: dropout_on_a_card,
    F.rms_norm: rms_norm_on_a_card,
}


class Allocated(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the memory of all tensors that are made on the meta device while it is entered."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.most = 0
        self.known: dict[int, int] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is torch.ops.aten._fused_adamw_.tensor_lr:
            return None  # it changes what is there and makes nothing; the meta device has none of it
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor) and tensor.is_meta:
                self._see(tensor.untyped_storage())
        return made

    def _see(self, storage: torch.UntypedStorage) -> None:
        place = storage._cdata
        if place in self.known:
            return
        self.known[place] = -(-storage.nbytes() // BLOCK) * BLOCK
        self.now += self.known[place]
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self._forget, place)

    def _forget(self, place: int) -> None:
        self.now -= self.known.pop(place)


def loss_by_the_kernel(scores: Tensor, targets: Tensor) -> Tensor:
    """What the loss's kernel makes beside the logits that it changes: a loss for each row, and their sum."""
    return torch.empty(len(scores), device=scores.device).sum()


def update_by_the_kernel(*arguments: Any) -> None:
    """AdamW's kernel changes what is there and makes nothing."""


def shape_and_format(tensor: Tensor) -> dict[str, Any]:
    """What activation checkpointing compares of what is computed twice: not the device, which C++ alone sees as it is."""
    return {"shape": tensor.shape, "dtype": tensor.dtype}


@contextmanager
def pretended_card() -> Iterator[Allocated]:
    """`cuda` is a card that has units for bf16 and TF32, and PyTorch is for it; what is allocated there is counted.

    Steps aren't recorded, and dropout draws nothing that could be seeded.
    """
    counted = Allocated()
    with (
        patch.object(torch.cuda, "is_available", lambda: True),
        patch.object(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True),
        patch.object(torch.cuda, "get_device_capability", lambda device=None: (9, 0)),
        patch.object(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False),
        patch.object(torch.version, "cuda", "13.0"),
        patch.object(step, "_can_be_recorded", lambda task, device: False),
        patch.object(shards, "default_generator", lambda device: torch.default_generator),
        patch.object(token_loss_on_a_gpu, "loss_by", lambda device, dtype: loss_by_the_kernel),
        patch.object(adamw, "update_on_a_card", update_by_the_kernel),
        patch.object(checkpoint, "get_device_states", lambda *arguments: ([], [])),  # of generators
        patch.dict(checkpoint._allowed_determinism_checks_to_fns, default=shape_and_format),
        PretendedCard(),
        counted,
    ):
        yield counted
