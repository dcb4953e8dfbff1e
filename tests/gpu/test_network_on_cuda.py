"""The network and its loss on a CUDA device against the same on a CPU, in fp32 without TF32; formats against fp64."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from groundup.device import has_tf32_units, products_in_tf32, to_device
from groundup.model.settings import PRESETS, Preset, preset_config
from groundup.model.transformer import KVCache, Transformer, activate
from groundup.training.adamw import Matrix, rates_of, update_on_a_card, update_plainly
from groundup.training.objectives import language_model, token_loss_on_a_gpu
from groundup.training.objectives.language_model import loss_sum, marked_loss_sum
from groundup.training.objectives.token_loss import cross_entropy_sum
from groundup.training.privacy.row_gradients import RowGradients
from groundup.training.settings import TrainingSettings

pytestmark = pytest.mark.gpu
EVERY_PRESET = pytest.mark.parametrize("preset", sorted(PRESETS))
VOCABULARY, CONTEXT = 131, 96  # no multiple of anything that a matrix unit likes


def random_model(preset: Preset) -> Transformer:
    shape: dict[str, int] = {
        "vocab_size": VOCABULARY,
        "d_model": 64,
        "num_layers": 2,
        "num_heads": 4,
        "max_seq_len": CONTEXT,
    }
    if preset in ("llama", "qwen3"):
        shape |= {"num_kv_heads": 2}
    if preset in ("mistral", "qwen2"):
        shape |= {"sliding_window": 20}
    torch.manual_seed(0)
    fields: dict[str, Any] = (
        {"activation": "gelu"} if preset == "classic" else {}
    )  # ReLU's gradient jumps within rounding
    values = {"dropout": 0.0, "initialization": "normal", "init_std": 0.1, **shape, **fields}
    return Transformer(preset_config(preset, **values)).eval()


def ids_of(*shape: int) -> Tensor:
    return torch.randint(VOCABULARY, shape, generator=torch.Generator().manual_seed(2))


def assert_close(found: Tensor, expected: Tensor) -> None:
    assert found.device.type == "cuda"
    torch.testing.assert_close(found.cpu(), expected, atol=1e-4, rtol=1e-4)


@EVERY_PRESET
@torch.no_grad()
def test_logits_are_the_cpus(preset: Preset, cuda: torch.device) -> None:
    model = random_model(preset)
    ids, padding, segments = ids_of(3, CONTEXT), torch.ones(3, CONTEXT), torch.zeros(3, CONTEXT, dtype=torch.long)
    padding[1, :9], segments[2, 31:] = 0, 1
    cases: list[dict[str, Tensor]] = [{}, {"attention_mask": padding}, {"segment_ids": segments}]
    expected = [model(ids, **case) for case in cases]
    model.to(cuda)
    for case, logits in zip(cases, expected, strict=True):
        assert_close(model(ids.to(cuda), **{name: value.to(cuda) for name, value in case.items()}), logits)


@EVERY_PRESET
@torch.no_grad()
def test_the_cache_gives_the_cpus_logits_for_rows_of_unlike_lengths(preset: Preset, cuda: torch.device) -> None:
    model, ids = random_model(preset), ids_of(3, 40)
    expected = model(ids)
    model.to(cuda)
    cache = KVCache(model.config, 3, CONTEXT, cuda)
    assert_close(model(ids[:, :20].to(cuda), cache=cache), expected[:, :20])
    cache.lengths = [20, 7, 13]  # what stands beyond is read again
    more = torch.stack([ids[row, length : length + 5] for row, length in enumerate(cache.lengths)])
    logits = model(more.to(cuda), cache=cache)
    for row, length in enumerate([20, 7, 13]):
        assert_close(logits[row], expected[row, length : length + 5])


def gradients(model: Transformer, loss: Callable[[Transformer, Tensor], Tensor], rows: Tensor) -> list[Tensor]:
    model.train().zero_grad()
    total = loss(model, rows) / 100
    total.backward()  # type: ignore[no-untyped-call]
    return [total.detach(), *(parameter.grad for parameter in model.parameters() if parameter.grad is not None)]


@pytest.mark.parametrize("few_logits", [0, 2**30])
@EVERY_PRESET
def test_the_loss_and_its_gradients_are_the_cpus(
    preset: Preset, few_logits: int, cuda: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All logits at once, and some at a time; rows of which every token is learned, and marked ones."""
    monkeypatch.setattr(language_model, "FEW_LOGITS", few_logits)
    model, rows = random_model(preset), ids_of(3, CONTEXT + 1)
    marked = rows.clone()
    marked[:, :30], marked[2, 60:] = ~marked[:, :30], ~0
    for loss, of_rows in ((loss_sum, rows), (marked_loss_sum, marked)):
        expected = gradients(model, loss, of_rows)
        found = gradients(copy.deepcopy(model).to(cuda), loss, of_rows.to(cuda))
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_close(one, other)


@pytest.mark.parametrize("by_kernel", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("dtype", "most"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2), (torch.float16, 3e-3)])
def test_the_loss_in_each_format_is_near_that_in_fp64(
    dtype: torch.dtype, most: float, bias: bool, by_kernel: bool, cuda: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_loss_on_a_gpu, "LOGITS_ON_A_GPU", 100 * VOCABULARY)
    if not by_kernel:
        monkeypatch.setattr(token_loss_on_a_gpu, "loss_by", lambda device, dtype: token_loss_on_a_gpu.loss_in_place)
    draw = torch.Generator().manual_seed(3)
    hidden, weight = (torch.randn(n, 64, generator=draw) for n in (300, VOCABULARY))
    offset = torch.randn(VOCABULARY, generator=draw) if bias else None
    targets = ids_of(300)
    exact = [None if each is None else each.double().requires_grad_() for each in (hidden, weight, offset)]
    logits = torch.nn.functional.linear(*exact)  # type: ignore[arg-type]
    expected = torch.nn.functional.cross_entropy(logits, targets, reduction="sum")
    expected.backward()  # type: ignore[no-untyped-call]
    given = [None if each is None else each.to(cuda).requires_grad_() for each in (hidden, weight, offset)]
    with torch.autocast("cuda", dtype, enabled=dtype != torch.float32):
        asked: list[Any] = [*given, targets.to(cuda)]
        found = cross_entropy_sum(*asked)
    found.backward()  # type: ignore[no-untyped-call]
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=most)
    for one, other in zip(given, exact, strict=True):
        if one is not None and other is not None and one.grad is not None and other.grad is not None:
            apart = (one.grad.cpu().double() - other.grad).norm() / other.grad.norm()
            assert apart < most


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("width", [3, 64, 4096, 5000, 50304])
def test_the_kernel_is_the_plain_loss(width: int, dtype: torch.dtype, cuda: torch.device) -> None:
    """Rows narrower and wider than what it reads at a time, among them large scores and places that are none."""
    draw = torch.Generator().manual_seed(5)
    scores = (torch.randn(37, width, generator=draw) * 8).to(cuda, dtype)
    scores[3], scores[4, :2] = -2e4, 3e4
    scores[:, width - 1] = -torch.inf
    targets = torch.randint(width - 1, (37,), generator=draw).to(cuda)
    exact = scores.double().requires_grad_()
    expected = torch.nn.functional.cross_entropy(exact, targets, reduction="sum")
    expected.backward()  # type: ignore[no-untyped-call]
    kernel = token_loss_on_a_gpu.loss_by(cuda, dtype)
    assert kernel is not token_loss_on_a_gpu.loss_in_place, "it could not be made"
    found = kernel(scores, targets)
    assert float(found) == pytest.approx(float(expected.detach()), rel=1e-5)
    assert exact.grad is not None
    torch.testing.assert_close(scores.double(), exact.grad, rtol=max(2e-5, 2 * torch.finfo(dtype).eps), atol=2e-6)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_the_kernel_hides_no_score_that_is_not_finite(bad: float, cuda: torch.device) -> None:
    scores = torch.zeros(2, 9000, device=cuda)
    scores[1, 8500] = bad
    loss = token_loss_on_a_gpu.loss_by(cuda, torch.float32)(scores, torch.tensor([0, 1], device=cuda))
    assert not loss.isfinite()
    assert not scores[1].isfinite().all()
    assert scores[0].isfinite().all()


@EVERY_PRESET
def test_each_rows_clipped_gradient_is_the_cpus(preset: Preset, cuda: torch.device) -> None:
    """What private training adds up."""
    model, rows = random_model(preset).train(), ids_of(4, 33)
    rows[1, 20:], rows[2, :9] = ~0, ~rows[2, :9]
    found = {}
    for device in ("cpu", cuda):
        network = copy.deepcopy(model).to(device)
        with RowGradients(network, len(rows)) as gradients:
            marked_loss_sum(network, rows.to(device), all_logits=True).backward()  # type: ignore[no-untyped-call]
        norms = gradients.squared_norms().sqrt()
        gradients.add_clipped((1.0 / norms).clamp(max=1))
        found[str(device)] = [norms, *(parameter.grad for parameter in network.parameters())]
    for ours, theirs in zip(found["cuda"], found["cpu"], strict=True):
        assert ours is not None
        assert theirs is not None
        assert_close(ours, theirs)


def test_products_in_tf32_are_rounded_and_others_are_not(cuda: torch.device) -> None:
    """To 10 bits of mantissa: some 2e-4 of a number, where fp32 has 1e-7."""
    if not has_tf32_units(cuda):
        pytest.skip("needs a card with TF32")
    left, right = (torch.randn(512, 512, device=cuda, generator=torch.Generator(cuda).manual_seed(n)) for n in (1, 2))
    exact = left.double() @ right.double()

    def error() -> float:
        return float(((left @ right).double() - exact).norm() / exact.norm())

    with products_in_tf32():
        rounded = error()
    assert 1e-5 < rounded < 2e-3
    assert error() < 1e-6


def test_numbers_reach_the_device_as_they_are(cuda: torch.device) -> None:
    rows = ids_of(64, 1025).numpy()
    waiting = torch.randn(4096, 4096, device=cuda)
    for _ in range(20):
        waiting = waiting @ waiting / 64  # the card is at work meanwhile
    arrived = to_device(rows, cuda)
    assert torch.equal(arrived.cpu(), torch.from_numpy(rows))


@pytest.mark.parametrize("shape", [(64, 48), (33, 7), (1000, 1)], ids=str)
@pytest.mark.parametrize("narrow", [True, False])
def test_adamws_kernel_is_the_plain_update(shape: tuple[int, int], narrow: bool, cuda: torch.device) -> None:
    """Steps with other rates each, one of which is skipped; where there is a copy it is the weight's, rounded as PyTorch rounds."""
    torch.manual_seed(0)
    settings = TrainingSettings(optimizer="adamw")
    first = [torch.randn(shape, device=cuda), torch.zeros(shape, device=cuda), torch.zeros(shape, device=cuda)]
    found, expected = [each.clone() for each in first], [each.clone() for each in first]
    copies = [each[0].bfloat16() for each in (found, expected)] if narrow else [None, None]
    steps = torch.zeros((), device=cuda)
    for step in range(5):
        skip = torch.tensor(float(step == 2), device=cuda)
        steps += 1 - skip
        shrink = torch.tensor(0.5, device=cuda) if step % 2 else None
        rates = rates_of(steps, torch.tensor(0.1 / (1 + step), device=cuda), skip, shrink, settings)
        gradient = torch.randn(shape, device=cuda) * (torch.nan if step == 2 else 1.0)
        gradient = gradient.bfloat16() if narrow else gradient
        update_on_a_card(Matrix(found[0], found[1], found[2], gradient, copies[0]), rates, 0.3, settings)
        update_plainly(Matrix(expected[0], expected[1], expected[2], gradient, copies[1]), rates, 0.3, settings)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
    assert copies[0] is None or torch.equal(copies[0], found[0].bfloat16())


def test_adamws_kernel_without_a_memory_goes_by_the_last_gradient_alone(cuda: torch.device) -> None:
    """Of one that is small beside the one before nothing is lost in taking that away."""
    settings, rate = TrainingSettings(optimizer="adamw", beta1=0.0, beta2=0.0), torch.tensor(0.01, device=cuda)
    weight, average, square = (torch.zeros(8, 8, device=cuda) for _ in range(3))
    for step, size in enumerate((1.0, 1e-5)):
        gradient = torch.full((8, 8), size, device=cuda)
        rates = rates_of(torch.tensor(step + 1.0, device=cuda), rate, torch.zeros_like(rate), None, settings)
        update_on_a_card(Matrix(weight, average, square, gradient, None), rates, 0.0, settings)
        assert torch.equal(average, gradient)
        torch.testing.assert_close(square, gradient * gradient, rtol=1e-6, atol=0)
    torch.testing.assert_close(weight, torch.full_like(weight, -0.02), rtol=2e-3, atol=0)  # EPSILON beside 1e-5


@pytest.mark.parametrize("name", ["gelu", "gelu_tanh"])
def test_compiled_the_activation_is_pytorchs(name: str, cuda: torch.device) -> None:
    """Of all numbers in bf16, and their derivatives, to its last digit."""
    x = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16).view(torch.bfloat16).to(cuda)
    x = x[x.isfinite() & (x.abs() < 1e4)].requires_grad_()
    found = torch.compile(lambda numbers: activate(name, numbers))(x)
    expected = activate(name, x)
    gradients = [torch.autograd.grad(y.sum(), x)[0] for y in (found, expected)]
    torch.testing.assert_close(found, expected, rtol=2**-7, atol=2e-6)
    torch.testing.assert_close(*gradients, rtol=2**-7, atol=2e-6)
