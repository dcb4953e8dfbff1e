"""Run by `test_transformers4.py` in a process of its own, where `transformers` is version 4.

    python transformers4_reference.py FOLDER

Opens every directory in FOLDER/ours, saves models of its own in FOLDER/theirs, and writes what they answer: the logits and
greedy continuations in FOLDER/answers.safetensors, what it was told while loading in FOLDER/facts.json.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

IDS = torch.arange(24).view(2, 12) * 7 % 31

GPT2: dict[str, Any] = {"model_type": "gpt2", "n_embd": 16, "n_layer": 2, "n_head": 4, "n_positions": 24}
LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 20,
    "max_position_embeddings": 24,
    "rope_theta": 5e5,
}
THEIRS: dict[str, dict[str, Any]] = {
    "gpt2": GPT2,
    "gpt2-untied": GPT2 | {"tie_word_embeddings": False, "n_inner": 20, "activation_function": "relu"},
    "llama": LLAMA,
    "llama-biased": LLAMA | {"attention_bias": True, "mlp_bias": True, "head_dim": 10, "hidden_act": "gelu_new"},
    "llama3": LLAMA
    | {
        "rope_scaling": {
            "rope_type": "llama3",
            "factor": 8.0,
            "original_max_position_embeddings": 16,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
        }
    },
    "mistral": LLAMA | {"model_type": "mistral", "sliding_window": 5},
    "qwen2": LLAMA
    | {"model_type": "qwen2", "use_sliding_window": True, "sliding_window": 5, "max_window_layers": 1}
    | {"rope_scaling": {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 12}},
    "qwen3": LLAMA | {"model_type": "qwen3", "head_dim": 10, "tie_word_embeddings": True},
}


def answers(model: Any) -> dict[str, torch.Tensor]:
    """The logits (2, 12, V) and the greedy continuation of the first five tokens (1, 10)."""
    model.eval()
    prompt = IDS[:1, :5]
    with torch.no_grad():
        continued = model.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=5, do_sample=False)
        return {"logits": model(IDS).logits, "continued": continued}


def main(folder: Path) -> None:
    transformers.utils.logging.disable_progress_bar()
    messages: list[str] = []
    listener = logging.Handler(logging.WARNING)
    listener.emit = lambda record: messages.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("transformers").addHandler(listener)
    facts: dict[str, Any] = {"version": transformers.__version__, "problems": {}}
    found: dict[str, torch.Tensor] = {}
    for directory in sorted((folder / "ours").iterdir()):
        messages.clear()
        model, info = AutoModelForCausalLM.from_pretrained(directory, output_loading_info=True)
        facts["problems"][directory.name] = [*messages, *(f"{key}: {value}" for key, value in info.items() if value)]
        found |= {f"ours/{directory.name}/{name}": answer for name, answer in answers(model).items()}
    for name, values in THEIRS.items():
        torch.manual_seed(0)
        ids = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": 0}
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(vocab_size=31, **values, **ids))
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        model.save_pretrained(folder / "theirs" / name)
        found |= {f"theirs/{name}/{kind}": answer for kind, answer in answers(model).items()}
    save_file({name: answer.contiguous() for name, answer in found.items()}, folder / "answers.safetensors")
    (folder / "facts.json").write_text(json.dumps(facts))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
