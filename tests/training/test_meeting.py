"""Processes that meet before they train: all come, one is late, one never comes, one dies when it has come. Over real sockets."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from groundup.errors import MachineError, PeerLostError, SettingError, TrainingError
from groundup.training import meeting
from groundup.training import ranks as ranks_module
from groundup.training.meeting import meet
from groundup.training.parallel_settings import ParallelSettings
from groundup.training.ranks import joined


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", str(port))
    monkeypatch.delenv("TORCHELASTIC_USE_AGENT_STORE", raising=False)
    monkeypatch.setattr(meeting, "TRAININGS", iter([0] * 9))  # each of these threads stands for a process of its own
    monkeypatch.setattr(meeting, "TURN", 0.2)  # seconds


@pytest.mark.usefixtures("address")
@pytest.mark.parametrize(("late", "speaks"), [(2, 0), (0, 1)])
def test_one_that_is_late_is_named_and_waited_for(late: int, speaks: int) -> None:
    said: dict[int, list[str]] = {rank: [] for rank in range(3)}
    stores = {}

    def come(rank: int) -> None:
        stores[rank] = meet(rank, 3, 1, said[rank].append)

    threads = {rank: threading.Thread(target=come, args=(rank,)) for rank in range(3)}
    for rank in {0, 1, 2} - {late}:
        threads[rank].start()
    deadline = time.monotonic() + 30
    while not said[speaks] and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not stores, "nobody goes on without it"
    threads[late].start()
    for thread in threads.values():
        thread.join(30)
    assert said[speaks][0] == f"process {speaks} of 3 waits for process {late}: 0 of 1 minutes"
    assert late == 0 or not said[1] + said[2], "once the first is there, it speaks for all"
    stores[1].set("word", "heard")
    assert [store.get("word") for store in stores.values()] == [b"heard"] * 3


@pytest.mark.usefixtures("address")
@pytest.mark.parametrize(("rank", "missing"), [(0, "processes 1, 2, 3, 4, 5 and 2 more"), (3, "process 0")])
def test_who_does_not_come_in_time_is_named(rank: int, missing: str) -> None:
    begun = time.monotonic()
    with pytest.raises(
        TrainingError, match=rf"^process {rank} of 8 has waited 0.01 minutes for {missing}: look whether"
    ):
        meet(rank, 8, 0.01, lambda line: None)
    assert 0.6 <= time.monotonic() - begun < 30


@pytest.mark.usefixtures("address")
def test_one_that_goes_when_all_have_met_is_not_waited_for_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(ranks_module, "LAST_WORDS", 0.0)
    other = threading.Thread(target=meet, args=(1, 2, 1, print))  # and never says where it can be reached
    other.start()
    begun = time.monotonic()
    with pytest.raises(PeerLostError, match="process 0 of 2 stopped, since another one has ended"):  # noqa: SIM117
        with joined(ParallelSettings("ddp", meeting_minutes=0.05), "cpu"):
            pass
    assert time.monotonic() - begun < 60
    other.join(30)


@pytest.mark.usefixtures("address")
@pytest.mark.parametrize("port", ["", "x", "0", "65536"])
def test_a_port_that_is_none_is_refused(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASTER_PORT", port)
    with pytest.raises(
        SettingError, match=f"^MASTER_PORT = '{port}': set it in all processes' environment to one port"
    ):
        meet(1, 2, 1, print)


@pytest.mark.usefixtures("address")
def test_a_port_that_is_taken_is_named() -> None:
    with socket.socket() as other:
        other.bind(("0.0.0.0", int(os.environ["MASTER_PORT"])))
        other.listen()
        with pytest.raises(MachineError, match=r"^process 0 of 2 can't listen at port \d+ \(MASTER_PORT\)"):
            meet(0, 2, 1, print)


@pytest.mark.usefixtures("address")
def test_they_have_to_agree_how_many_they_are() -> None:
    """Of two and of three, which once met and then waited for each other's addresses until time was up."""
    with ThreadPoolExecutor() as pool:
        places = ((0, 2), (1, 3), (2, 3))
        met = [pool.submit(meet, rank, size, 1, print) for rank, size in places]
        errors = [str(one.exception(30)) for one in met]
    assert errors[0] == "WORLD_SIZE = 2: process 1 was given 3: give all of them the same, how many there are in all"
    assert errors[1] == errors[2] == errors[0].replace("= 2", "= 3").replace("1 was given 3", "0 was given 2")


@pytest.mark.usefixtures("address")
@pytest.mark.parametrize("host", ["256.256.256.256", "x" * 70, ""])
def test_an_address_of_no_machine_is_named_at_once(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASTER_ADDR", host)
    with pytest.raises(SettingError, match=f"^MASTER_ADDR = '{host}': no machine is known by that"):
        meet(0, 2, 1, print)
    with pytest.raises(TrainingError, match=r"^process 1 of 2 has waited .* for process 0: .* with one MASTER_ADDR"):
        meet(1, 2, 0.001, print)  # for which it may come to be known


@pytest.mark.usefixtures("address")
def test_an_address_of_another_machine_leaves_the_first_process_waiting_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MASTER_ADDR", "192.0.2.1")  # RFC 5737: of none
    with pytest.raises(TrainingError, match=r"^process 0 of 2 has waited .* for process 1: .* with one MASTER_ADDR"):
        meet(0, 2, 0.001, print)


@pytest.mark.usefixtures("address")
@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("RANK", "2", "RANK = 2: .*from 0 to 1: WORLD_SIZE is 2"),
        ("RANK", "-1", "RANK = '-1': set it in each process's environment to a whole number of at least 0"),
        ("RANK", "", "RANK = '': set it"),
        ("WORLD_SIZE", "two", "WORLD_SIZE = 'two': .* of at least 1"),
        ("WORLD_SIZE", "0", "WORLD_SIZE = '0': .* of at least 1"),
        ("LOCAL_RANK", "a", "LOCAL_RANK = 'a': .* of at least 0"),
        ("LOCAL_WORLD_SIZE", "0", "LOCAL_WORLD_SIZE = '0': .* of at least 1"),
    ],
)
def test_a_number_that_is_no_place_among_them_is_refused(
    name: str, value: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each, usual in {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(each, value if each == name else usual)
    with pytest.raises(SettingError, match=f"^{why}"):  # noqa: SIM117
        with joined(ParallelSettings("ddp"), "cpu"):
            pass


@pytest.mark.usefixtures("address")
def test_a_number_of_all_that_was_forgotten_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with pytest.raises(SettingError, match=r"^WORLD_SIZE = '': set it to the number of all processes: .* RANK is 1$"):  # noqa: SIM117
        with joined(ParallelSettings("ddp"), "cpu"):
            pass


def test_of_one_that_is_gone_each_says_a_sentence_and_no_stack(tmp_path: Path) -> None:
    """The real command: PyTorch's store would write fifteen lines of C++ above it."""
    (tmp_path / "text.txt").write_text("a text that is long enough " * 200)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "LOCAL_WORLD_SIZE": "2"}
    command = [sys.executable, "-m", "groundup", "train", "shakespeare", "data.source=text.txt"]
    command += ["parallel.strategy=ddp", "training.device=cpu", "--run", "run"]
    own = {name: value for name, value in os.environ.items() if name != "TORCH_CPP_LOG_LEVEL"}
    processes = [
        subprocess.Popen(
            command,
            cwd=tmp_path,
            env={**own, **place, "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": size},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank, size in enumerate(("2", "3"))
    ]
    said = [process.communicate(timeout=120)[1] for process in processes]
    assert (
        said[0]
        == "groundup: WORLD_SIZE = 2: process 1 was given 3: give all of them the same, how many there are in all\n"
    )
    assert said[1].startswith("groundup: process 1 of 3 stopped, since another one has ended")
    assert said[1].count("\n") == 1
    assert [process.returncode for process in processes] == [1, 1]
