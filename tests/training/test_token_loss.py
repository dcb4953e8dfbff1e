"""The loss without full logits against the plain one: values, gradients, formats, what it leaves alone."""

from __future__ import annotations

import sys

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from groundup.model.settings import preset_config
from groundup.model.transformer import Transformer
from groundup.training.objectives import language_model, token_loss, token_loss_on_a_gpu
from groundup.training.objectives.language_model import loss_sum, marked_loss_sum
from groundup.training.objectives.token_loss import cross_entropy_sum

N, D, V = 23, 6, 11


@pytest.fixture(params=[1, 3 * V, 10 * V, 2**22])
def at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """One token at a time, a few, and all."""
    monkeypatch.setattr(token_loss, "LOGITS_AT_ONCE", request.param)


@pytest.fixture
def tensors() -> list[Tensor]:
    torch.manual_seed(0)
    return [torch.randn(N, D), torch.randn(V, D), torch.randn(V)]


def targets() -> Tensor:
    return torch.randint(V, (N,), generator=torch.Generator().manual_seed(1))


def plain(hidden: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return F.cross_entropy(F.linear(hidden, weight, bias).float(), targets(), reduction="sum")


def some_at_a_time(hidden: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return cross_entropy_sum(hidden, weight, bias, targets())


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("frozen", [(), (0,), (1, 2), (0, 2)])
def test_it_is_the_plain_loss_with_its_gradients(frozen: tuple[int, ...], tensors: list[Tensor]) -> None:
    results = []
    for loss_of in (plain, some_at_a_time):
        inputs = [tensor.clone().requires_grad_(place not in frozen) for place, tensor in enumerate(tensors)]
        loss = loss_of(*inputs)
        (0.25 * loss).backward()  # type: ignore[no-untyped-call]
        results.append((loss.detach(), [tensor.grad for tensor in inputs]))
    torch.testing.assert_close(results[1][0], results[0][0])
    for place, (found, expected) in enumerate(zip(results[1][1], results[0][1], strict=True)):
        assert (found is None) == (place in frozen)
        torch.testing.assert_close(found, expected)


@pytest.mark.usefixtures("at_once")
def test_gradients_are_those_of_differences(tensors: list[Tensor]) -> None:
    """In fp64: the change of the loss along a line, divided by the way."""
    inputs = [tensor.double().requires_grad_() for tensor in tensors]
    directions = [torch.randn_like(tensor) for tensor in inputs]
    gradients = torch.autograd.grad(some_at_a_time(*inputs), inputs)
    expected = sum((gradient * way).sum() for gradient, way in zip(gradients, directions, strict=True))
    ahead, behind = (
        some_at_a_time(*(tensor + step * way for tensor, way in zip(inputs, directions, strict=True)))
        for step in (1e-5, -1e-5)
    )
    torch.testing.assert_close((ahead - behind).detach() / 2e-5, expected, rtol=1e-7, atol=1e-7)


def test_without_a_bias_and_without_gradients(tensors: list[Tensor]) -> None:
    hidden, weight, _ = tensors
    torch.testing.assert_close(cross_entropy_sum(hidden, weight, None, targets()), plain(hidden, weight, None))
    weight.requires_grad_()
    with torch.no_grad():
        assert not cross_entropy_sum(hidden, weight, None, targets()).requires_grad
    loss = cross_entropy_sum(hidden[:0], weight, None, targets()[:0])
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss == 0
    assert weight.grad is not None
    assert not weight.grad.any()


def test_it_learns_after_it_was_only_read(tensors: list[Tensor]) -> None:
    """In whichever mode its memory was made."""
    hidden, weight, bias = tensors
    token_loss._rooms.room = None
    with torch.inference_mode():
        read = some_at_a_time(hidden, weight, bias)
    learned = some_at_a_time(hidden.requires_grad_(), weight, bias)
    learned.backward()  # type: ignore[no-untyped-call]
    assert hidden.grad is not None
    torch.testing.assert_close(learned.detach(), read)


def test_large_scores_do_not_overflow() -> None:
    hidden, weight = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).requires_grad_(), torch.tensor([[1e4, -1e4], [-1e4, 1e4]])
    loss = cross_entropy_sum(hidden, weight, None, torch.tensor([0, 0]))
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss == 2e4
    assert hidden.grad is not None
    assert hidden.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_under_autocast_it_is_the_plain_loss_under_autocast(dtype: torch.dtype, tensors: list[Tensor]) -> None:
    """Both round to the format at other places, so they agree to a few of its steps."""
    results = []
    for loss_of in (plain, some_at_a_time):
        inputs = [tensor.clone().requires_grad_() for tensor in tensors]
        with torch.autocast("cpu", dtype):
            loss = loss_of(*inputs)
        assert loss.dtype == torch.float32
        loss.backward()  # type: ignore[no-untyped-call]
        results.append((loss.detach(), [tensor.grad for tensor in inputs]))
    torch.testing.assert_close(results[1][0], results[0][0], rtol=0.01, atol=0.05)
    for found, expected in zip(results[1][1], results[0][1], strict=True):
        assert found is not None
        torch.testing.assert_close(found, expected, rtol=0.05, atol=0.05)


def test_one_way_back() -> None:
    """The gradients are made once; a second way back has nothing to go by, and says so rather than be wrong."""
    hidden = torch.randn(4, 3, requires_grad=True)
    loss = cross_entropy_sum(hidden, torch.randn(5, 3), None, torch.zeros(4, dtype=torch.long))
    loss.backward(retain_graph=True)  # type: ignore[no-untyped-call]
    with pytest.raises(RuntimeError, match="once"):
        loss.backward()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("marked", [False, True])
@pytest.mark.parametrize("tied", [False, True])
def test_the_objectives_are_the_same_either_way(marked: bool, tied: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    config = preset_config(
        "classic", vocab_size=13, d_model=8, num_layers=1, num_heads=2, max_seq_len=9, dropout=0.0, tie_embeddings=tied
    )
    model = Transformer(config)
    batch = torch.randint(13, (3, 10))
    if marked:
        batch[:, :4] = ~batch[:, :4]
        batch = torch.stack((batch, torch.arange(10).expand(3, 10) // 6), dim=1)
    objective, results = marked_loss_sum if marked else loss_sum, []
    for limit in (2**22, 40):
        monkeypatch.setattr(language_model, "FEW_LOGITS", limit)
        monkeypatch.setattr(token_loss, "LOGITS_AT_ONCE", limit)
        model.zero_grad()
        loss = objective(model, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        results.append((loss.detach(), {name: parameter.grad for name, parameter in model.named_parameters()}))
    torch.testing.assert_close(results[1], results[0])


@pytest.mark.parametrize("at_once", [2 * 64, 2**30])
@pytest.mark.parametrize("biased", [False, True])
def test_the_way_of_a_gpu_is_the_plain_one_too(
    biased: bool, at_once: int, tensors: list[Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows are filled up to an aligned width, and gradients take the place of logits; here on the CPU, in fp32 (in fewer bits, and by
    a kernel, on a card: tests/gpu)."""
    monkeypatch.setattr(token_loss_on_a_gpu, "LOGITS_ON_A_GPU", at_once)
    monkeypatch.setattr(token_loss_on_a_gpu, "LOGARITHMS", 64)
    hidden, weight = (tensor.requires_grad_() for tensor in tensors[:2])
    bias = tensors[2].requires_grad_() if biased else None
    expected = F.cross_entropy(F.linear(hidden, weight, bias), targets(), reduction="sum")
    expected.backward()  # type: ignore[no-untyped-call]
    with torch.no_grad():
        assert token_loss_on_a_gpu.aligned(weight, torch.float32).shape == (64, D)
        wanted = token_loss_on_a_gpu.Wanted(hidden=True, weight=True, bias=biased)
        loss, found = token_loss_on_a_gpu.on_a_gpu(hidden, weight, bias, targets(), torch.float32, wanted)
        _, none = token_loss_on_a_gpu.on_a_gpu(
            hidden, weight, bias, targets(), torch.float32, token_loss_on_a_gpu.Wanted(False, False, False)
        )
    torch.testing.assert_close(loss, expected.detach())
    assert none == (None, None, None)
    for gradient, parameter in zip(found, (hidden, weight, bias), strict=True):
        if parameter is not None:
            torch.testing.assert_close(gradient, parameter.grad)


def test_a_kernel_that_cannot_be_made_is_told_of_and_done_without() -> None:
    def unmade(scores: Tensor, targets: Tensor) -> Tensor:
        raise RuntimeError("Failed to find C compiler.\nPlease specify via CC environment variable.")

    def made(scores: Tensor, targets: Tensor) -> Tensor:
        return token_loss_on_a_gpu.loss_in_place(scores, targets)

    cpu = torch.device("cpu")
    assert token_loss_on_a_gpu.where_it_works(made, cpu) is made
    with pytest.warns(
        UserWarning, match=r"Triton could not make them \(Failed to find C compiler\.\); install a C compiler"
    ):
        assert token_loss_on_a_gpu.where_it_works(unmade, cpu) is token_loss_on_a_gpu.loss_in_place


def test_where_triton_is_there_but_does_not_open_the_loss_is_computed_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "triton", None)  # as of a package that lacks a part
    monkeypatch.delitem(sys.modules, "groundup.training.objectives.token_loss_kernel", raising=False)
    monkeypatch.setattr(token_loss_on_a_gpu, "find_spec", lambda name: True)
    made = torch.zeros
    monkeypatch.setattr(torch, "zeros", lambda *shape, dtype=None, device=None: made(*shape, dtype=dtype))
    token_loss_on_a_gpu._by_kernel.cache_clear()
    with pytest.warns(UserWarning, match=r"without kernels of our own, .*\(import of triton halted"):
        loss = token_loss_on_a_gpu.loss_by(torch.device("cuda"), torch.float32)
    token_loss_on_a_gpu._by_kernel.cache_clear()
    assert loss is token_loss_on_a_gpu.loss_in_place
