"""Several processes train what one would have: the same losses, decisions and weights. Two and four of them, over gloo."""

from __future__ import annotations

import json
import math
import re
import socket
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.forked import server
from tests.training.rank_cases import ALL, OF_FOUR, SPECIAL, make_task, process, resume, run_cases
from torch.distributed import DistBackendError, DistNetworkError
from transformers import AutoModelForCausalLM

from groundup.errors import MachineError, SettingError
from groundup.model.directory import load_model, read_config
from groundup.model.families import to_hf_tensors
from groundup.run.checkpoints import list_checkpoints, optimizer_files, read_state, verify_checkpoint
from groundup.run.records import read_records
from groundup.training import ranks as ranks_module
from groundup.training.parallel_settings import ParallelSettings
from groundup.training.ranks import ALONE, Ranks, is_lost_peer, joined

Found = dict[int, list[dict[str, Any]]]
LOADED_LATE = ("torch._dynamo", "torch.distributed.fsdp", "torch.distributed.tensor")
"""Two seconds in each process, where a case first needs them."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ranks")


@pytest.fixture(scope="module")
def found(folder: Path, tiny_recipe: Path) -> Found:
    """What became of each case in each process of one, two and four. They are forked from a server that has loaded PyTorch once."""
    context = server("tests.training.rank_cases", *LOADED_LATE)
    results: Found = {1: [run_cases(folder / "alone")]}
    for size in (2, 4):
        (folder / str(size)).mkdir()
        with socket.socket() as free, socket.socket() as another:
            free.bind(("127.0.0.1", 0))
            another.bind(("127.0.0.1", 0))
            ports = (free.getsockname()[1], another.getsockname()[1])
        processes = [
            context.Process(target=process, args=(rank, size, ports, folder / str(size), tiny_recipe))
            for rank in range(size)
        ]
        for one in processes:
            one.start()
        for one in processes:
            one.join(120)
            assert one.exitcode == 0
        results[size] = [json.loads((folder / str(size) / f"{rank}.json").read_text()) for rank in range(size)]
    return results


def assert_close(ours: list[dict[str, Any]], theirs: list[dict[str, Any]], tolerance: float = 1e-5) -> None:
    assert len(ours) == len(theirs) >= 3
    for one, other in zip(ours, theirs, strict=True):
        assert one.pop("kind") == other.pop("kind")
        assert one.pop("grad_norm") == pytest.approx(other.pop("grad_norm"), rel=10 * tolerance)
        assert one == pytest.approx(other, rel=tolerance, abs=tolerance)


def lines(run: Path, kind: str = "train") -> list[dict[str, Any]]:
    timed = ("seconds", "tokens_per_second", "mfu")
    records = [record for record in read_records(run / "metrics.jsonl") if record["kind"] == kind]
    return [{key: value for key, value in record.items() if key not in timed} for record in records]


EACH = [*((name, 2) for name in ALL), *((name, 4) for name in OF_FOUR)]
COMPARED = [case for case in EACH if case[0] not in SPECIAL or case[0] == "spike"]


@pytest.mark.parametrize(("name", "size"), COMPARED)
def test_losses_and_norms_are_those_of_one_process(folder: Path, found: Found, name: str, size: int) -> None:
    tolerance = 1e-2 if name == "bf16" else 1e-5  # in bf16 a row's numbers hang on how many rows a product has
    assert_close(lines(folder / str(size) / name), lines(folder / "alone" / name), tolerance)
    assert lines(folder / str(size) / name, "validation") == lines(folder / "alone" / name, "validation")


@pytest.mark.parametrize(("name", "size"), EACH)
def test_all_processes_end_alike_with_the_same_bits(found: Found, name: str, size: int) -> None:
    first = found[size][0][name]
    assert all(other[name] == first for other in found[size][1:])
    assert first["why"] == found[1][0][name]["why"]


def test_two_processes_give_the_bits_of_two_threads(folder: Path, found: Found) -> None:
    """A sum of two is the same either way round, dropout's masks are, and Muon's matrices are dealt out alike."""
    ours, theirs = (lines(folder / folder_name / "two shards") for folder_name in ("2", "alone"))
    assert len(ours) == 6
    assert ours == theirs
    weights = [list_checkpoints(folder / name / "two shards")[-1] / "model.safetensors" for name in ("2", "alone")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_decisions_are_made_together(folder: Path, found: Found) -> None:
    assert found[2][0]["nan"]["why"] == "the loss or its gradient was not finite (NaN or Inf) at step 5"
    assert found[2][0]["patience"]["why"] == "patience"
    assert found[2][0]["signal"]["why"] == "SIGTERM"
    for size in ("2", "4"):
        assert [path.name for path in list_checkpoints(folder / size / "signal")] == ["step-000004"]
    assert [line["skipped_steps"] for line in lines(folder / "2" / "spike")][39:] == [0, 1, 1]
    assert found[2][0]["sharded nan"]["why"] == found[2][0]["nan"]["why"]
    for name in ("overflow", "sharded overflow"):
        state = read_state(list_checkpoints(folder / "2" / name)[-1])
        assert state["scaler"]["scale"] == 32768.0, "half of GradScaler's first 65,536"
    assert state["processes"] == 2


@pytest.mark.parametrize("name", ["muon", "sharded muon"])
@pytest.mark.parametrize("size", [2, 4])
def test_a_run_of_one_process_goes_on_in_several(folder: Path, found: Found, size: int, name: str) -> None:
    assert_close(lines(folder / str(size) / f"resumed {name}"), lines(folder / "alone" / "muon")[3:])


@pytest.mark.parametrize(("size", "name"), [("2", "sharded muon"), ("4", "sharded muon"), ("2", "muon")])
def test_a_run_of_several_goes_on_in_one(folder: Path, found: Found, size: str, name: str, tmp_path: Path) -> None:
    resume(make_task(tmp_path / "run", ALONE), folder / size / name)
    assert_close(lines(tmp_path / "run"), lines(folder / "alone" / "muon")[3:])


def test_the_parts_of_a_checkpoint_are_a_model(folder: Path, found: Found) -> None:
    checkpoint = list_checkpoints(folder / "4" / "sharded muon")[-1]
    state = verify_checkpoint(checkpoint)
    assert [name for name in state["files"] if name.startswith("model-")] == [
        f"model-0000{part}-of-00004.safetensors" for part in (1, 2, 3, 4)
    ]
    assert "optimizer-00003-of-00004.safetensors" in state["files"]
    whole = load_model(list_checkpoints(folder / "alone" / "muon")[-1]).state_dict()
    for name, weights in AutoModelForCausalLM.from_pretrained(checkpoint).state_dict().items():
        expected = to_hf_tensors(read_config(checkpoint), whole)[name] if name != "lm_head.weight" else weights
        torch.testing.assert_close(weights, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "size"), [case for case in COMPARED if case[0].startswith("sharded")])
def test_the_optimizers_parts_are_the_whole_of_one_process(folder: Path, found: Found, name: str, size: int) -> None:
    """Also where some have rows of a matrix and others none, as of an adapter's two rows, so that each has an order of its own."""
    ours, theirs = (optimizer_of(folder / place / name) for place in (str(size), "alone"))
    assert sorted(ours) == sorted(theirs)
    for tensor, expected in theirs.items():
        torch.testing.assert_close(ours[tensor], expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


def optimizer_of(run: Path) -> dict[str, torch.Tensor]:
    return {
        name: tensor for file in optimizer_files(list_checkpoints(run)[-1]) for name, tensor in load_file(file).items()
    }


@pytest.mark.parametrize("size", [2, 4])
def test_what_the_processes_say_to_each_other(found: Found, size: int) -> None:
    different = f"in process {size - 1} is not that of process 0: give all machines the same files"
    assert all(one["different"].startswith(f"the text {different}") for one in found[size])
    assert found[size][0]["before"] == []
    assert all(0 in one["before"] for one in found[size][1:])


@pytest.mark.parametrize("size", [2, 4])
def test_machines_that_differ_agree_or_are_refused(found: Found, size: int) -> None:
    """Rows and matrices are dealt out by the number of threads, so another one somewhere would read some twice, or never."""
    last = f"in process {size - 1} is not that of process 0"
    for rank, one in enumerate(found[size]):
        assert one["threads"] == {2: 3, 4: 1}[size], "the smallest share of the cores"
        assert one["alike"] == ""
        assert one["devices"].startswith(f"the device or the precision {last}")
        assert f"copy {rank}/manifest.json {last}" in one["copies"]


@pytest.mark.parametrize("size", [2, 4])
def test_a_process_knows_whether_its_launcher_is_there(found: Found, size: int) -> None:
    assert all(one["with parent"] == [True, False] for one in found[size])


def test_who_waits_for_one_that_is_gone_is_told(found: Found) -> None:
    *others, gone = found[4]
    assert gone["lost"] == ""
    for rank, one in enumerate(others):
        assert one["lost"].startswith(f"process {rank} of 4 stopped, since another one has ended; that one says why")


def test_a_loss_that_is_no_number_is_told_by_the_first_process_alone(folder: Path, found: Found) -> None:
    first, second = (one["recipe"] for one in found[2])
    assert first.startswith("TrainingError: the loss or its gradient was not finite (NaN or Inf) at step 1;")
    assert second.startswith("PeerLostError: process 1 of 2 stopped")
    assert (folder / "2" / "recipe" / "report.html").is_file()


def test_only_the_first_process_writes(folder: Path, found: Found) -> None:
    steps = [line["step"] for line in lines(folder / "4" / "muon")]
    assert steps == [1, 2, 3, 4, 5, 6]


TORCHRUN = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}


def enter(settings: ParallelSettings, device: str = "cpu") -> Ranks:
    with joined(settings, device) as (ranks, _):
        return ranks


def test_how_it_was_started_and_the_strategy_must_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in TORCHRUN:
        monkeypatch.delenv(name, raising=False)
    assert enter(ParallelSettings()) == ALONE
    with pytest.raises(SettingError, match=r"strategy = 'ddp': it takes several processes, which `groundup train` or"):
        enter(ParallelSettings("ddp"))
    for name, value in TORCHRUN.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingError, match=r"torchrun started 2 processes, each .* set parallel\.strategy=ddp"):
        enter(ParallelSettings())
    monkeypatch.setattr(ranks_module, "pick_device", torch.device)
    with pytest.raises(SettingError, match=r"training\.device = 'mps': use cpu or cuda"):
        enter(ParallelSettings("ddp"), "mps")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    with pytest.raises(MachineError, match=r"1 GPUs and 2 processes: start as many"):
        enter(ParallelSettings("ddp"), "cuda")


def nccl_says(kind: str, *cause: str) -> DistBackendError:
    """An error as PyTorch words what NCCL says."""
    said = (
        "NCCL error in: /pytorch/torch/csrc/distributed/c10d/NCCLUtils.cpp:94, its words, NCCL version 2.27.5",
        kind,
    )
    return DistBackendError("\n".join((*said, *(("Last error:", *cause) if cause else ()))))


SHARED = "Error while creating shared memory segment /dev/shm/nccl-6vJ0qE (size 9637888), error: No space left on device (28)"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (nccl_says("ncclSystemError: System call failed or device error.", SHARED, ""), SHARED),
        (
            nccl_says("ncclInvalidUsage: This usually reflects invalid usage."),
            "ncclInvalidUsage: This usually reflects",
        ),
        (nccl_says("ncclUnhandledCudaError: Call failed.", "Cuda failure 2 'out of memory'"), "Cuda failure 2 'out of"),
    ],
)
def test_what_keeps_cards_from_talking_is_told_and_is_no_lost_process(
    error: DistBackendError, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them fail so at once, so none would say why if each took another for the one that ended."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    alone = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1", "MASTER_PORT": port}
    for name, value in {**TORCHRUN, **alone}.items():
        monkeypatch.setenv(name, value)
    exchange = "the GPUs can't exchange what they compute: NCCL says: "
    with pytest.raises(MachineError, match=re.escape(exchange + said)), joined(ParallelSettings("ddp"), "cpu"):
        raise error


@pytest.mark.parametrize(
    "error",
    [
        nccl_says(
            "ncclRemoteError: A call failed possibly due to a network error or a remote process exiting prematurely."
        ),
        nccl_says("ncclInternalError: Internal check failed.", "Net : Connection closed by remote peer host<50260>"),
        nccl_says(
            "ncclSystemError: System call failed.",
            "Call to recv from 10.0.0.7<33759> failed : Connection reset by peer",
        ),
        DistBackendError(
            "[1] is retrieving ncclUniqueId from [0] but store->get('0') got error: failed to recv, got 0 bytes"
        ),
        DistNetworkError("The client socket has timed out"),
        RuntimeError("[gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:51021"),
    ],
)
def test_a_process_that_is_gone_is_known_by_what_is_said_of_it(error: RuntimeError) -> None:
    assert is_lost_peer(error)


def test_settings_in_vain_are_refused() -> None:
    with pytest.raises(SettingError, match=r'processes = 2: set parallel\.strategy = "ddp", or "fsdp",'):
        ParallelSettings(processes=2)
    with pytest.raises(SettingError, match=r"processes = -1: use a whole number of at most 1024, or 0"):
        ParallelSettings("ddp", processes=-1)
    for minutes in (0, -1, math.inf, math.nan):
        with pytest.raises(SettingError, match=r"meeting_minutes = .*: use a number above 0, up to 1440"):
            ParallelSettings("ddp", meeting_minutes=minutes)


def test_one_process_by_itself_needs_nobody() -> None:
    assert (ALONE.once(lambda: 3), ALONE.largest(5), ALONE.total(None), ALONE.first) == (3, 5, None, True)
    assert ALONE.one_before_the_others(lambda: "read") == "read"
