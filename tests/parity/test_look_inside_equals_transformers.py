"""What the look inside shows, against what transformers gives of itself: `output_attentions`, `output_hidden_states`, `logits`."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from groundup.language_model.look_inside import attention_weights, logit_lens, read_ids, surprisals
from groundup.model.families import to_hf_config, to_hf_tensors
from groundup.model.settings import Preset, preset_config
from groundup.model.transformer import Transformer

IDS = torch.randint(31, (20,), generator=torch.Generator().manual_seed(0)).tolist()
MODELS: list[tuple[Preset, dict[str, Any]]] = [
    ("gpt2", {}),
    ("llama", {"num_kv_heads": 2, "bias": "all"}),
    ("mistral", {"sliding_window": 5, "num_kv_heads": 1}),
    ("qwen2", {"sliding_window": 4, "first_windowed_layer": 1}),
    ("qwen3", {"num_kv_heads": 2, "head_dim": 10}),
]


def ours_and_theirs(preset: Preset, values: dict[str, Any]) -> tuple[Transformer, Any]:
    shape = {"vocab_size": 31, "d_model": 16, "num_layers": 3, "num_heads": 4, "max_seq_len": 24}
    ours = Transformer(preset_config(preset, **(shape | values))).eval()
    generator = torch.Generator().manual_seed(1)
    for parameter in ours.parameters():
        torch.nn.init.normal_(parameter, mean=float(parameter.ndim == 1), std=0.3, generator=generator)
    config = AutoConfig.for_model(**to_hf_config(ours.config, 1, 0))
    theirs = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    theirs.load_state_dict(to_hf_tensors(ours.config, ours.state_dict()), strict=False)
    return ours, theirs


@pytest.mark.parametrize(("preset", "values"), MODELS)
def test_attention_stream_lens_and_surprisal(preset: Preset, values: dict[str, Any]) -> None:
    ours, theirs = ours_and_theirs(preset, values)
    with torch.no_grad():
        found = theirs(torch.tensor([IDS]), output_attentions=True, output_hidden_states=True)
        reading = read_ids(ours, IDS)
        for layer, expected in enumerate(found.attentions):
            torch.testing.assert_close(attention_weights(reading, layer), expected[0], rtol=0, atol=1e-5)
        for layer, expected in enumerate(found.hidden_states[:-1]):  # theirs has the last norm behind it
            torch.testing.assert_close(reading.stream[layer], expected[0], rtol=1e-5, atol=1e-4)
        norm = theirs.transformer.ln_f if preset == "gpt2" else theirs.model.norm
        states = [norm(state[0]) for state in found.hidden_states[:-1]] + [found.hidden_states[-1][0]]
        lens = logit_lens(reading, 0, len(IDS), count=31)
        for guesses, state in zip(lens, states, strict=True):
            probabilities = theirs.lm_head(state).softmax(dim=-1)
            for place, guess in enumerate(guesses):
                ours_by_id = torch.tensor([share for _, share in sorted(guess.likeliest)])
                torch.testing.assert_close(ours_by_id, probabilities[place], rtol=1e-4, atol=1e-5)
                if place + 1 < len(IDS):
                    assert guess.next_probability == pytest.approx(
                        probabilities[place, IDS[place + 1]].item(), abs=1e-5
                    )
        losses = torch.nn.functional.cross_entropy(found.logits[0, :-1], torch.tensor(IDS[1:]), reduction="none")
    first, *bits = surprisals(reading)
    assert first is None
    assert bits == pytest.approx((losses / math.log(2)).tolist(), rel=1e-4, abs=1e-4)
