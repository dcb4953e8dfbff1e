"""The energy meter, held to a made-up machine's counters."""

from pathlib import Path

from groundup.energy import EnergyMeter
from groundup.training.stretch import Progress, add_energy


def package(folder: Path, number: str, counted: int, turn: int = 262_143_328_850, name: str = "package-0") -> Path:
    path = folder / f"intel-rapl:{number}"
    path.mkdir()
    (path / "name").write_text(f"{name}\n")
    (path / "energy_uj").write_text(f"{counted}\n")
    (path / "max_energy_range_uj").write_text(f"{turn}\n")
    return path / "energy_uj"


def test_all_packages_count_and_their_parts_do_not_count_twice(tmp_path: Path) -> None:
    first, second = package(tmp_path, "0", 1_000_000), package(tmp_path, "1", 5_000_000)
    cores = package(tmp_path, "0:0", 0, name="core")  # a part of package 0
    machine = package(tmp_path, "2", 0, name="psys")  # of which both are parts
    meter = EnergyMeter(rapl=tmp_path)
    cores.write_text("900000")
    machine.write_text("9000000")
    first.write_text("3500000")
    second.write_text("6000000")
    assert meter.counted == "processors"
    assert meter.read() == 3.5
    assert meter.read() == 0.0


def test_stretches_that_counted_other_things_are_not_added_up() -> None:
    begun = add_energy(Progress(step=1), 2.0, "card", begun=False)
    assert (begun.joules, begun.joules_of) == (2.0, "card")
    assert add_energy(begun, 3.0, "card", begun=True).joules == 5.0
    for joules, counted in ((3.0, "processors and card"), (None, "")):
        assert add_energy(begun, joules, counted, begun=True).joules is None
    older = Progress(step=1, joules=2.0)  # of a checkpoint that doesn't say whose they were
    assert add_energy(older, 3.0, "card", begun=True).joules == 5.0


def test_a_counter_that_begins_anew_goes_on(tmp_path: Path) -> None:
    counter = package(tmp_path, "0", 9_000_000, turn=10_000_000)
    meter = EnergyMeter(rapl=tmp_path)
    counter.write_text("2000000")
    assert meter.read() == 3.0


def test_without_a_counter_there_is_no_figure(tmp_path: Path) -> None:
    nothing = EnergyMeter(rapl=tmp_path / "none")
    assert (nothing.read(), nothing.counted) == (None, "")
    package(tmp_path, "0", 0).write_text("a secret")
    assert EnergyMeter(gpu="GPU-1", rapl=tmp_path).read() is None  # there is no such card, and no package of its maker


def test_of_several_processes_on_a_machine_one_counts_its_processors(tmp_path: Path) -> None:
    counter = package(tmp_path, "0", 1_000_000)
    meters = [EnergyMeter(rapl=tmp_path, processors=first) for first in (True, False)]
    counter.write_text("3000000")
    assert [meter.read() for meter in meters] == [2.0, 0.0]
    assert EnergyMeter(gpu="GPU-1", rapl=tmp_path, processors=False).read() is None, "its card would be missing"
