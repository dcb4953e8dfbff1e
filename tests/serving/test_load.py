"""The benchmark's load, for a moment: nothing but the intended 503 is 5xx, and in the end every slot is free."""

from __future__ import annotations

import asyncio
import os

from benchmarks.serving.load import measure_clients, mixed_load
from tests.serving.conftest import RealServer


def test_a_moment_of_mixed_load(server: RealServer) -> None:
    mixed = asyncio.run(mixed_load(server.url, os.getpid(), num_clients=32, seconds=2.0))
    assert {status for status in mixed.statuses if status.startswith("5")} <= {"503"}
    assert {"200", "400", "413", "left"} <= set(mixed.statuses)
    assert "closed" not in mixed.statuses
    assert (mixed.places_left, mixed.running_left) == (0, 0)
    assert server.service.runner.num_open == 0


def test_clients_are_counted(server: RealServer) -> None:
    one, four = asyncio.run(measure_clients(server.url, (1, 4), rounds=1, seconds=0.1, max_tokens=8))
    assert one.tokens_per_second[0] > 0
    assert four.tokens_per_second[0] > 0
