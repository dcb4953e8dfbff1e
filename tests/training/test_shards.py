"""Several threads: the gradient of one, the same bits each time, and dropout that follows from the seed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from groundup.model.settings import Preset, preset_config
from groundup.model.transformer import Transformer
from groundup.training.muon import in_turn
from groundup.training.objectives.language_model import loss_sum
from groundup.training.optimizers import Optimizer
from groundup.training.settings import TrainingSettings
from groundup.training.shards import Shards, num_shards

SHAPE = {"vocab_size": 11, "d_model": 16, "num_layers": 2, "num_heads": 2, "max_seq_len": 70}


def make_model(preset: Preset = "qwen3", dropout: float = 0.0) -> Transformer:
    torch.manual_seed(0)
    return Transformer(preset_config(preset, **SHAPE, dropout=dropout, initialization="normal")).train()


@pytest.fixture
def rows() -> Tensor:
    return torch.randint(0, 11, (5, 71), generator=torch.Generator().manual_seed(1))


def backward(network: nn.Module, rows: Tensor) -> Tensor:
    loss = loss_sum(network, rows) / 350
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.detach()


def gradients(model: Transformer, rows: Tensor, shards: int, seed: str = "1:0:0") -> tuple[Tensor, list[Tensor]]:
    model.zero_grad()
    with Shards(model, model, shards, shards) as threads:
        threads.seed(seed)
        loss = threads.run(backward, rows)
    return loss, [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]


@pytest.mark.parametrize("preset", ["qwen3", "gpt2", "classic"])
def test_threads_give_the_gradient_of_the_whole_batch(preset: Preset, rows: Tensor) -> None:
    model = make_model(preset)
    loss, whole = gradients(model, rows, shards=1)
    for shards in (2, 3, 5):
        their_loss, summed = gradients(model, rows, shards)
        torch.testing.assert_close(their_loss, loss)
        torch.testing.assert_close(summed, whole, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("preset", ["qwen3", "gpt2", "classic"])
def test_activations_computed_twice_in_threads_give_the_same_bits(preset: Preset, rows: Tensor) -> None:
    """Each thread's dropout is drawn again as it was, whatever the others draw meanwhile."""
    found = []
    for twice in (False, True, True):
        model = make_model(preset, dropout=0.3)
        model.activation_checkpointing = twice
        loss, summed = gradients(model, rows, shards=3)
        found.append([loss, *summed])
    for again in found[1:]:
        assert all(map(torch.equal, found[0], again))


def test_what_is_drawn_after_a_block_was_computed_again_is_what_would_have_been_drawn(rows: Tensor) -> None:
    left = []
    for twice in (False, True):
        model = make_model(dropout=0.3)
        model.activation_checkpointing = twice
        with Shards(model, model, 1, 1) as threads:
            threads.seed("1:0:0")
            threads.run(backward, rows)
            left.append(threads.generators[0].get_state())
    assert torch.equal(*left)


@pytest.mark.parametrize("shards", [1, 2])
def test_dropout_follows_from_the_seed_whatever_the_threads_do(rows: Tensor, shards: int) -> None:
    model = make_model(dropout=0.3)
    loss, first = gradients(model, rows, shards)
    torch.manual_seed(99)  # nothing hangs on the default generator
    again, second = gradients(model, rows, shards)
    assert torch.equal(loss, again)
    assert all(map(torch.equal, first, second))
    other, _ = gradients(model, rows, shards, seed="1:1:0")
    assert not torch.equal(loss, other)


def test_each_row_is_read_once_by_a_thread_with_its_own_number_of_threads(rows: Tensor) -> None:
    seen: list[tuple[int, str, int]] = []
    model, at_once = make_model(), threading.Barrier(2)

    def note(network: nn.Module, some: Tensor) -> Tensor:
        at_once.wait(timeout=30)  # both are at work at one time
        seen.append((len(some), threading.current_thread().name, torch.get_num_threads()))
        return backward(network, some)

    torch.set_num_threads(2)  # as a training of two threads has it before its steps
    with Shards(model, model, 2, 2) as threads:
        threads.run(note, rows)
    assert sorted(count for count, _, _ in seen) == [2, 3]
    assert len({name for _, name, _ in seen}) == 2
    assert {number for _, _, number in seen} == {1}
    assert torch.get_num_threads() == 2


def test_no_operation_is_split_while_steps_are_taken_but_for_validation(rows: Tensor) -> None:
    model, before = make_model(), torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with Shards(model, model, 2, 2) as threads:
            assert torch.get_num_threads() == 1
            with threads.at_rest():
                assert torch.get_num_threads() == 2
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("rule", ["muon", "adamw"])
def test_an_updates_parts_in_threads_give_what_they_give_in_turn(rule: Literal["muon", "adamw"], rows: Tensor) -> None:
    results = {}
    for num_parts, threaded in ((1, False), (2, False), (2, True), (3, False)):
        model = make_model("qwen3")
        optimizer = Optimizer(model, TrainingSettings(optimizer=rule, weight_decay=0.0), num_parts)
        with Shards(model, model, 2, 2) as threads:
            threads.seed("1:0:0")
            threads.run(backward, rows)
            optimizer.step(1.0, torch.zeros(()), threads.each if threaded else in_turn)
        results[num_parts, threaded] = [parameter.detach().clone() for parameter in model.parameters()]
    assert all(map(torch.equal, results[2, False], results[2, True]))
    whole = results[1, False]
    for num_parts in (2, 3):  # none is left out, and none is taken twice
        torch.testing.assert_close(results[num_parts, False], whole, atol=1e-6, rtol=1e-5)
    start = [parameter.detach() for parameter in make_model("qwen3").parameters()]
    assert not any(map(torch.equal, start, whole))


def test_an_error_in_a_thread_is_raised_where_it_is_waited_for(rows: Tensor) -> None:
    def fail(network: nn.Module, some: Tensor) -> Tensor:
        raise FloatingPointError("in a thread")

    model = make_model()
    with pytest.raises(FloatingPointError, match="in a thread"), Shards(model, model, 2, 2) as threads:
        threads.run(fail, rows)


def test_weights_are_shared_and_an_update_reaches_every_network(rows: Tensor) -> None:
    model = make_model()
    with Shards(model, model, 3, 3) as threads:
        with torch.no_grad():
            model.token_embedding.weight.fill_(0.5)
        for network in threads.networks:
            assert isinstance(network, Transformer)
            assert network.token_embedding.weight.data_ptr() == model.token_embedding.weight.data_ptr()
            assert network.output_projection.weight is network.token_embedding.weight  # tied in each


def limits() -> list[tuple[dict[str, object], str, int]]:
    return [
        ({}, "cpu", 4),
        ({"batch_size": 2}, "cpu", 2),
        ({"accumulation_steps": 4}, "cpu", 2),
        ({"compile": True}, "cpu", 1),
        ({"activation_checkpointing": True}, "cpu", 4),
        ({}, "cuda", 1),
    ]


@pytest.mark.parametrize(("changed", "device", "expected"), limits())
def test_how_many_threads_share_a_batch(changed: dict[str, object], device: str, expected: int) -> None:
    make: Callable[..., TrainingSettings] = TrainingSettings
    assert num_shards(make(**{"batch_size": 8, **changed}), torch.device(device), num_threads=4) == expected
