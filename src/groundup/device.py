"""The machine: which device to compute on, in which number format, with how many threads, and how fast it multiplies."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from groundup.cores import available_cores, memory_bytes
from groundup.errors import SettingError

T = TypeVar("T")
R = TypeVar("R")

PR_SET_PDEATHSIG = 1  # of Linux's prctl.h
# Numbers of glibc's malloc.h.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3


def pick_device(name: str, setting: str = "training.device") -> torch.device:
    """`auto` takes a CUDA device, then Apple's GPU, then the CPU; a device asked for by name must be there.

    Raises `SettingError` that names `setting`.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, there in available.items() if there)
    if name not in available:
        raise SettingError(setting, name, f"use auto, {', '.join(available)}")
    if not available[name]:
        raise SettingError(setting, name, "this machine or this build of PyTorch has none; use auto or cpu")
    return torch.device(name)


def precision_on(device: torch.device, precision: str) -> str:
    """The number format of the matrix products there: fp32, tf32, bf16 or fp16; `auto` is the best of these without a loss scale.

    Raises `SettingError` for tf32 where the device has no units for it.
    """
    if precision == "auto":
        return "bf16" if has_bf16_units(device) else "fp32"
    if precision == "tf32" and not has_tf32_units(device):
        advice = f"{device.type} has no units for it here, as NVIDIA's cards from Ampere on have; use auto or fp32"
        raise SettingError("training.precision", precision, advice)
    return precision


def autocast_dtype(precision: str, device: torch.device) -> torch.dtype | None:
    """The format of the matrix products under autocast, or None for fp32 and TF32. Weights stay fp32 in any case. Raises `SettingError` as
    `precision_on` does."""
    return {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision_on(device, precision))


def has_bf16_units(device: torch.device) -> bool:
    """Whether the device multiplies bf16 numbers in hardware: about twice as fast as fp32 ones, where emulation is far slower."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):  # older versions don't say
        return False
    units = torch.cpu.get_capabilities()
    return bool(units.get("avx512_bf16") or units.get("amx_bf16"))


def has_tf32_units(device: torch.device) -> bool:
    """Whether the device multiplies fp32 numbers as TF32 in hardware: NVIDIA's cards of compute capability 8.0 (Ampere) and later."""
    return (
        device.type == "cuda" and torch.version.cuda is not None and torch.cuda.get_device_capability(device) >= (8, 0)
    )


@contextmanager
def products_in_tf32(on: bool = True) -> Iterator[None]:
    """Meanwhile, if `on`, a CUDA device's products of fp32 matrices are in TF32: factors are rounded to 10 bits of mantissa, sums are in
    fp32. It holds for the whole process, so what was set before is set again at the end."""
    if not on:
        yield
        return
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def set_threads(num_threads: int) -> int:
    """Use this many CPU threads (0: one per core that this process may use); the number now in force."""
    torch.set_num_threads(num_threads or available_cores())
    return torch.get_num_threads()


def default_generator(device: torch.device) -> torch.Generator:
    """The generator that random operations on this device draw from when they are given none."""
    if device.type == "cuda":
        torch.cuda.init()  # type: ignore[no-untyped-call]
        return torch.cuda.default_generators[device.index or 0]
    if device.type == "mps":
        return torch.mps._get_default_mps_generator()
    return torch.default_generator


def begin_thread(num_threads: int) -> None:
    """The first thing that a thread of ours does: set how many threads PyTorch splits this thread's operations over."""
    # The first look takes over the process's number; only what is set after it is this thread's own.
    torch.get_num_threads()
    torch.set_num_threads(num_threads)


def map_in_threads(
    function: Callable[[T], R],
    items: Sequence[T],
    device: torch.device,
    done: Callable[[T], object] = lambda item: None,
) -> list[R]:
    """`function` of every item, as `map`; on a CPU side by side, in as many threads as PyTorch would split one operation over.

    Each item is computed in one thread alone, so its bits hang on nothing but itself, and on a busy machine no thread waits
    for another after each operation. Gradients are off. `done` is told of each item when it and all before it are through.
    """

    @torch.inference_mode()  # which holds for one thread only
    def call(item: T) -> R:
        return function(item)

    def told(results: Iterable[R]) -> list[R]:
        found = []
        for item, result in zip(items, results, strict=True):
            found.append(result)
            done(item)
        return found

    if device.type != "cpu":
        return told(map(call, items))
    with ThreadPoolExecutor(torch.get_num_threads(), "reader", begin_thread, (1,)) as pool:
        return told(pool.map(call, items))


def keep_freed_memory() -> None:
    """Let the C library keep what a step frees for the next step, where it would hand it back to the system.

    Each training step allocates and frees the same large blocks. Memory that comes fresh from the system is zeroed page by
    page as it is touched, which took up to a seventh of a small network's step (docs/log.md). For glibc; elsewhere nothing.
    """
    _set_malloc_options({M_MMAP_THRESHOLD: 1 << 30, M_TRIM_THRESHOLD: (1 << 31) - 1, M_TOP_PAD: 1 << 26})


def hand_back_freed_memory() -> None:
    """Let the C library hand back large blocks as they are freed. A large network's are many, of another size in each batch: kept, they
    leave holes that twice the memory goes into, and the pages' zeroing is little beside its step. For glibc; elsewhere nothing."""
    _set_malloc_options({M_MMAP_THRESHOLD: 1 << 20, M_TRIM_THRESHOLD: 1 << 20, M_TOP_PAD: 1 << 17})


def _set_malloc_options(options: dict[int, int]) -> None:
    if platform.libc_ver()[0] == "glibc":
        for option, value in options.items():
            ctypes.CDLL(None).mallopt(option, value)


def give_back_freed_memory() -> None:
    """Let the C library hand back to the system what was freed, which it may have kept. For glibc; elsewhere nothing."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)


def end_with_parent(parent: int) -> bool:
    """Let the system send this process SIGTERM when the one that started it, `parent`, ends, however it ends. False if it already has.
    On Linux; elsewhere nothing."""
    if platform.system() != "Linux":
        return True
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    return os.getppid() == parent


def to_device(array: np.ndarray, device: torch.device) -> torch.Tensor:
    """An array's numbers on the device. To a CUDA device they go from pinned memory, in order with what is computed there: the host, which
    would else wait for all that it has asked for, goes on."""
    tensor = torch.from_numpy(array)
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def synchronize(device: torch.device) -> None:
    """Wait for the device to finish, so that a clock read next means something."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def matmul_flops_per_second(device: torch.device, dtype: torch.dtype = torch.float32, seconds: float = 0.1) -> float:
    """Floating-point operations a second of the best of several square matrix products: the peak that MFU is measured against."""
    size = {"cuda": 8192, "mps": 4096}.get(device.type, 512)
    a, b = torch.randn(size, size, device=device, dtype=dtype), torch.randn(size, size, device=device, dtype=dtype)
    a @ b  # warms up, which may take longer than all that follows
    synchronize(device)
    times: list[float] = []
    while not times or sum(times) < seconds:
        start = time.perf_counter()
        a @ b
        synchronize(device)
        times.append(time.perf_counter() - start)
    return 2 * size**3 / min(times)


def peak_flops_per_second(device: torch.device, precision: str, seconds: float = 0.1) -> float:
    """That peak in the number format of a training's products, `precision` as in a recipe."""
    with products_in_tf32(precision_on(device, precision) == "tf32"):
        return matmul_flops_per_second(device, autocast_dtype(precision, device) or torch.float32, seconds)


def half_precision_slowdown(dtype: torch.dtype, device: torch.device) -> float:
    """How many times longer a matrix product takes in this format than in fp32 (on a CPU without such units: ~20)."""
    return matmul_flops_per_second(device, seconds=0.1) / matmul_flops_per_second(device, dtype, seconds=0.1)


def describe_machine(device: torch.device) -> dict[str, str | int]:
    """What the manifest says of the machine: processor, cores, memory, device, operating system."""
    described: dict[str, str | int] = {
        "cpu": _cpu_name(),
        "cores": available_cores(),
        "memory_bytes": memory_bytes(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "os": platform.platform(),
    }
    return described


def card_uuid(device: torch.device) -> str:
    """What NVIDIA's driver calls a graphics card, whichever of them CUDA_VISIBLE_DEVICES shows; empty for none."""
    return f"GPU-{torch.cuda.get_device_properties(device).uuid}" if device.type == "cuda" else ""


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def held_bytes() -> int:
    """Main memory that this process holds now."""
    return _status("VmRSS") or peak_bytes()


def peak_bytes(device: torch.device | None = None) -> int:
    """The most memory that this process has held so far: of a CUDA device what PyTorch reserved there, else main memory."""
    if device is not None and device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)
    unit = 1 if platform.system() == "Darwin" else 1024
    return _status("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _status(name: str) -> int:
    """A figure of this process in bytes, as Linux tells it; 0 where it doesn't."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0
    found = next((line.split()[1] for line in lines if line.startswith(f"{name}:")), "0")
    return 1024 * int(found)
