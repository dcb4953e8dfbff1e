"""A network that is dealt out over processes begins as one copy on the host, not two. What the processes then do: test_ranks.py."""

from __future__ import annotations

import torch

from groundup.model.lora import add_lora
from groundup.model.lora_settings import LoraSettings
from groundup.model.settings import preset_config
from groundup.model.transformer import Transformer
from groundup.training.sharded import twin_of


def test_a_twin_lies_in_the_same_memory_and_outlives_the_whole() -> None:
    torch.manual_seed(0)
    whole = Transformer(preset_config("qwen3", vocab_size=11, d_model=16, num_layers=2, num_heads=2, max_seq_len=8))
    add_lora(whole, LoraSettings(rank=2), seed=1)  # frozen weights, too, and tied embeddings
    twin = twin_of(whole)
    ours, theirs = dict(whole.named_parameters()), dict(twin.named_parameters())
    assert list(ours) == list(theirs)
    for name, parameter in ours.items():
        assert theirs[name] is not parameter
        assert theirs[name].data_ptr() == parameter.data_ptr()
        assert theirs[name].requires_grad == parameter.requires_grad
    before = {name: parameter.detach().clone() for name, parameter in ours.items()}
    whole.to("meta")
    assert all(torch.equal(theirs[name], weights) for name, weights in before.items())
    assert twin.training
