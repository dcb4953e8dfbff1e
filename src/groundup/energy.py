"""How much electricity a training takes: from the processor's own counter (RAPL) or the graphics card's (NVML), where they can be read."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

RAPL = Path("/sys/class/powercap")


class EnergyMeter:
    """Joules since it was last read, of all processor packages and of one graphics card; whatever else runs on them included.

    The kernel gives a package's energy in microjoules, a counter that begins at 0 again after `max_energy_range_uj`
    (https://docs.kernel.org/power/powercap/powercap.html). Since 2020 only the superuser may read it on most machines.
    """

    def __init__(self, gpu: str = "", rapl: Path = RAPL, processors: bool = True) -> None:
        """`gpu`: the UUID of the card that is trained on, for one of NVIDIA's with the package nvidia-ml-py beside it; its number may
        be another one's to the driver (CUDA_VISIBLE_DEVICES). `processors`: whether to count these; of several processes on a machine
        one does."""
        packages = sorted(path for path in rapl.glob("intel-rapl:*") if processors and _is_package(path))
        self._has_nothing_to_count = not processors and not gpu
        self._packages = {path: counted for path in packages if (counted := _read(path / "energy_uj")) is not None}
        self._card, self._card_joules = _open_card(gpu), 0.0
        if self._card is not None:
            self._card_joules = _card_joules(self._card)

    @property
    def counted(self) -> str:
        """Whose joules these are: `processors`, `card`, `processors and card`; empty where no counter can be read."""
        return " and ".join(
            name for name, read in (("processors", self._packages), ("card", self._card is not None)) if read
        )

    def read(self) -> float | None:
        """Joules since the last call, or since the meter was made; None where no counter can be read."""
        if not self._packages and self._card is None:
            return 0.0 if self._has_nothing_to_count else None
        joules = 0.0
        for path, before in self._packages.items():
            now = _read(path / "energy_uj")
            if now is None:
                continue
            turn = _read(path / "max_energy_range_uj") or 0
            joules += (now - before + (turn if now < before else 0)) / 1e6
            self._packages[path] = now
        if self._card is not None:
            before_card, self._card_joules = self._card_joules, _card_joules(self._card)
            joules += self._card_joules - before_card
        return joules


def _is_package(domain: Path) -> bool:
    """Not a part of one, nor the whole machine (`psys`), in which the packages would count twice."""
    try:
        return domain.name.count(":") == 1 and (domain / "name").read_text().startswith("package")
    except OSError:
        return False


def _read(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _open_card(gpu: str) -> Any:
    if not gpu:
        return None
    with suppress(Exception):  # no such package, driver or card: there is no counter then
        import pynvml  # type: ignore[import-not-found,unused-ignore]

        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByUUID(gpu)
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
        return handle
    return None


def _card_joules(handle: Any) -> float:
    import pynvml

    return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1e3  # it counts millijoules
