"""A cache takes the memory of what it holds, not of all that it could hold."""

from pathlib import Path

import pytest
import torch

from groundup.model.settings import TransformerConfig
from groundup.model.transformer import KVCache

pytestmark = pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="Linux tells what a process holds")


def private_bytes() -> int:
    """What this process holds for itself."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("Private_Clean", "Private_Dirty")))


def test_a_token_of_each_layer_and_head_takes_a_page_and_not_megabytes() -> None:
    config = TransformerConfig(vocab_size=8, num_layers=8, num_heads=2, d_model=64, max_seq_len=2**16)
    before = private_bytes()
    cache = KVCache(config, 4, config.max_seq_len, "cpu")
    assert private_bytes() - before < 2**20  # of 1 GiB
    for layer in range(config.num_layers):
        cache.write(layer, torch.ones(4, 2, 1, 32), torch.ones(4, 2, 1, 32))
    assert private_bytes() - before < 4 * 2**20  # 128 pages of 4 KiB; of 2 MiB each they would be 256 MiB
