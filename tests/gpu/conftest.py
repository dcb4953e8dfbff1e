"""What needs a CUDA device is tested here, and here alone: `pytest -m gpu`. Without one, all of it is skipped."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def cuda() -> torch.device:
    """The device, or no test; for the session, so that nothing is made for a test that is skipped."""
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    return torch.device("cuda")
