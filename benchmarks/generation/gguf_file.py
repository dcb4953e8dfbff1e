"""The model as a GGUF file in fp32 and in q8_0, for llama.cpp: model-f32.gguf and model-q8_0.gguf."""

from __future__ import annotations

import gguf
import numpy as np
from benchmarks.generation.task import MODEL, config
from benchmarks.generation.token_text import token_text
from safetensors.numpy import load_file

NAMES = {
    "wte.weight": "token_embd.weight",
    "wpe.weight": "position_embd.weight",
    "ln_f.": "output_norm.",
    "ln_1.": "attn_norm.",
    "ln_2.": "ffn_norm.",
    "attn.c_attn.": "attn_qkv.",
    "attn.c_proj.": "attn_output.",
    "mlp.c_fc.": "ffn_up.",
    "mlp.c_proj.": "ffn_down.",
}


def theirs(name: str) -> str:
    """Our directory's tensor name as llama.cpp calls it."""
    name = name.removeprefix("transformer.")
    for ours, gguf_name in NAMES.items():
        name = name.replace(ours, gguf_name)
    return name.replace("h.", "blk.", 1) if name.startswith("h.") else name


def write(quantization: str) -> None:
    c = config()
    writer = gguf.GGUFWriter(MODEL / f"model-{quantization}.gguf", "gpt2")
    writer.add_context_length(c["n_positions"])
    writer.add_embedding_length(c["n_embd"])
    writer.add_block_count(c["n_layer"])
    writer.add_feed_forward_length(c["n_inner"])
    writer.add_head_count(c["n_head"])
    writer.add_layer_norm_eps(c["layer_norm_epsilon"])
    writer.add_file_type(gguf.LlamaFileType.ALL_F32 if quantization == "f32" else gguf.LlamaFileType.MOSTLY_Q8_0)
    tokens = [token_text(number) for number in range(c["vocab_size"])]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.NORMAL] * len(tokens))
    writer.add_token_merges(["a b"])  # an empty list is refused
    writer.add_eos_token_id(c["eos_token_id"])
    writer.add_add_bos_token(False)
    for name, tensor in load_file(MODEL / "model.safetensors").items():
        if name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight")):
            tensor = np.ascontiguousarray(tensor.T)  # stored as (in, out)
        matrix = tensor.ndim == 2 and "wpe" not in name and tensor.shape[1] % 32 == 0
        if quantization == "q8_0" and matrix:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(theirs(name), gguf.quants.quantize(tensor, kind), raw_dtype=kind)
        else:
            writer.add_tensor(theirs(name), tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


for quantization in ("f32", "q8_0"):
    write(quantization)
