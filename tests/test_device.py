"""The machine: devices asked for by name, formats, and a peak that is measured."""

from __future__ import annotations

import math
import os
import platform
import subprocess
import sys
import threading
import time

import pytest
import torch

from groundup.cores import available_cores
from groundup.device import (
    autocast_dtype,
    describe_machine,
    half_precision_slowdown,
    has_bf16_units,
    has_tf32_units,
    map_in_threads,
    matmul_flops_per_second,
    peak_flops_per_second,
    pick_device,
    precision_on,
    products_in_tf32,
    set_threads,
)
from groundup.errors import SettingError
from groundup.recipe.precision import warn_of_slow_precision
from groundup.training.settings import TrainingSettings

CPU = torch.device("cpu")


def test_a_device_that_is_not_there_is_refused_by_name() -> None:
    assert pick_device("cpu") == CPU
    missing = [
        name
        for name, there in [("cuda", torch.cuda.is_available()), ("mps", torch.backends.mps.is_available())]
        if not there
    ]
    assert missing, "no machine has both"
    for name in missing:
        with pytest.raises(
            SettingError,
            match=f"training.device = '{name}': this machine or this build of PyTorch has none; use auto or cpu",
        ):
            pick_device(name)


def test_formats_by_name() -> None:
    for precision in ("fp32", "bf16", "fp16"):
        assert precision_on(CPU, precision) == precision
    assert precision_on(CPU, "auto") == ("bf16" if has_bf16_units(CPU) else "fp32")
    assert autocast_dtype("fp32", CPU) is None
    assert autocast_dtype("bf16", CPU) == torch.bfloat16
    assert autocast_dtype("fp16", CPU) == torch.float16


def test_tf32_is_refused_where_there_are_no_units_for_it() -> None:
    """On a CPU, and on AMD's and NVIDIA's older cards, which are told by their version and capability."""
    message = "training.precision = 'tf32': cpu has no units for it here, as NVIDIA's cards from Ampere on have; use auto or fp32"
    for asked in (precision_on, lambda device, name: peak_flops_per_second(device, name)):
        with pytest.raises(SettingError, match=message):
            asked(CPU, "tf32")
    with pytest.raises(SettingError, match=message):
        autocast_dtype("tf32", CPU)


@pytest.mark.parametrize(
    ("capability", "version", "there"), [((8, 0), "13.0", True), ((7, 5), "13.0", False), ((9, 4), None, False)]
)
def test_cards_have_tf32_from_ampere_on(
    capability: tuple[int, int], version: str | None, there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(torch.version, "cuda", version)
    card = torch.device("cuda", 0)
    assert has_tf32_units(card) == there
    if there:
        assert precision_on(card, "tf32") == "tf32"
        assert autocast_dtype("tf32", card) is None


def test_products_are_in_tf32_for_a_while_and_then_as_before() -> None:
    """PyTorch's own switches say so, the new one and the old, which torch.compile reads."""
    before = torch.backends.cuda.matmul.fp32_precision
    with products_in_tf32():
        assert torch.backends.cuda.matmul.fp32_precision == "tf32"
        assert torch.get_float32_matmul_precision() == "high"
    assert torch.get_float32_matmul_precision() == "highest"
    assert torch.backends.cuda.matmul.fp32_precision in (before, "ieee")
    with pytest.raises(ZeroDivisionError), products_in_tf32():
        raise ZeroDivisionError
    assert torch.get_float32_matmul_precision() == "highest"
    with products_in_tf32(on=False):
        assert torch.get_float32_matmul_precision() == "highest"


@pytest.mark.parametrize(
    ("units", "dtype"),
    [({}, None), ({"avx512_bf16": True, "amx_bf16": False}, torch.bfloat16), ({"amx_bf16": True}, torch.bfloat16)],
)
def test_auto_is_bf16_where_the_processor_has_units_for_it(
    units: dict[str, bool], dtype: torch.dtype | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: units)
    assert autocast_dtype("auto", CPU) == dtype


def test_bf16_is_fast_on_a_processor_that_says_it_has_units() -> None:
    assert not has_bf16_units(CPU) or half_precision_slowdown(torch.bfloat16, CPU) < 1


def test_threads() -> None:
    before = torch.get_num_threads()
    assert set_threads(1) == 1
    assert set_threads(0) == available_cores() <= (os.cpu_count() or 1)
    torch.set_num_threads(before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_the_peak_is_measured_even_where_one_product_takes_longer_than_the_time_given(dtype: torch.dtype) -> None:
    assert 1e7 < matmul_flops_per_second(CPU, dtype, seconds=0.0) < 1e14


def test_the_peak_is_that_of_a_product_timed_by_hand() -> None:
    """Both are the best of several, and come to the same, sooner or later, on a machine that others use too."""
    a, b = torch.randn(512, 512), torch.randn(512, 512)
    by_hand, measured, end = 0.0, 0.0, time.monotonic() + 60
    while not 0.6 < measured / (by_hand or math.inf) < 1.6 and time.monotonic() < end:
        for _ in range(20):
            start = time.perf_counter()
            a @ b
            by_hand = max(by_hand, 2 * 512**3 / (time.perf_counter() - start))
        measured = max(measured, matmul_flops_per_second(CPU))
    assert measured == pytest.approx(by_hand, rel=0.6)


def test_the_machine_is_described() -> None:
    described = describe_machine(CPU)
    assert described["device"] == "cpu"
    assert int(described["memory_bytes"]) > 10**8
    assert described["cpu"]


def test_half_precision_on_a_cpu_is_measured_and_warned_of_where_it_is_slow() -> None:
    said: list[str] = []
    warn_of_slow_precision(TrainingSettings(precision="fp32"), CPU, said.append)
    warn_of_slow_precision(TrainingSettings(precision="auto"), CPU, said.append)
    assert said == []
    slowdown = half_precision_slowdown(torch.bfloat16, CPU)
    warn_of_slow_precision(TrainingSettings(precision="bf16"), CPU, said.append)
    if slowdown > 2:  # a CPU without units for it, beyond the noise
        assert "training.precision = 'bf16' makes matrix products" in said[0]
        assert "training.precision=fp32 is the better choice here" in said[0]
    elif slowdown < 0.5:
        assert said == []


KEPT = """
import resource, sys, torch
if sys.argv[1] == "keep":
    from groundup.device import keep_freed_memory
    keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for count in range(12):
    if count == 10:  # it has settled
        before = faults()
    torch.empty(9_000_000).fill_(1.0)  # 36 MB, freed at once
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told")
def test_freed_memory_is_used_again_without_asking_the_system() -> None:
    """Counts page faults: two blocks of 36 MB cost 8,789 each when they are fresh."""

    def faults(what: str) -> int:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("MALLOC_")}
        command = [sys.executable, "-c", KEPT, what]
        return int(subprocess.run(command, capture_output=True, check=True, env=environment).stdout)

    assert (faults("keep") < 100, faults("do not") > 15_000) == (True, True)


def test_items_are_computed_side_by_side_each_in_one_thread_without_gradients() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    together = threading.Barrier(2)
    weight = torch.randn(64, 64, requires_grad=True)

    def product(item: int) -> tuple[torch.Tensor, int]:
        together.wait(timeout=30)  # both are at work at one time
        out = weight @ weight * item
        assert not out.requires_grad
        return out, torch.get_num_threads()

    try:
        found = map_in_threads(product, [1, 2, 3, 4], CPU)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert [number for _, number in found] == [1, 1, 1, 1]
    torch.testing.assert_close([out for out, _ in found], [(weight @ weight * item).detach() for item in (1, 2, 3, 4)])


def test_an_error_on_a_thread_reaches_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        map_in_threads(lambda item: 1 / item, [1, 0], CPU)


HANDED_BACK = """
import sys, torch
torch.set_num_threads(1)
torch.zeros(2_000_000).fill_(1.0)  # 8 MB; from now on the C library would keep blocks of this size
if sys.argv[1] == "hand back":
    from groundup.device import hand_back_freed_memory
    hand_back_freed_memory()
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
before, pins = resident(), []
for count in range(20):  # a small block behind each large one, so that it lies in a hole when it is freed
    blocks = [torch.empty(2_000_000).fill_(1.0) for _ in range(10)]
    pins.append(torch.zeros(1000))
    del blocks
    other = torch.empty(2_100_000 + 50_000 * count).fill_(1.0)
print(resident() - before - other.nbytes)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told")
def test_large_blocks_are_handed_back_as_they_are_freed() -> None:
    left = int(subprocess.check_output([sys.executable, "-c", HANDED_BACK, "hand back"]))
    assert left < 4_000_000
