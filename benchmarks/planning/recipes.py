"""The recipes that `groundup plan` is held to: chosen, and kept here, before anything was fitted; no constant comes from any of them.

Each is a shipped recipe with overrides, which take some 20 seconds to train on two cores: from the demonstration to GPT-2's 124M
and SmolLM2, all four layouts, both optimizers, accumulation and checkpointing, characters and byte pairs, rows of 64 to 2,048 tokens.
"""

from __future__ import annotations

BYTE_PAIRS = ("tokenizer.kind=bpe", "tokenizer.vocab_size={}")
SHORT = ("training.sample_tokens=40", "generation.max_new_tokens=60", "evaluation.max_tokens=4000")
"""Validation and samples for what is too large to be measured often within half a minute."""
LITTLE_HELD_OUT = ("data.split=tail", "data.validation_fraction=0.004")


def _byte_pairs(vocab_size: int) -> tuple[str, ...]:
    return tuple(each.format(vocab_size) for each in BYTE_PAIRS)


RECIPES: dict[str, tuple[str, tuple[str, ...]]] = {
    "the demonstration, 400 steps": ("shakespeare", ("training.max_steps=400",)),
    "tiny, many rows": (
        "shakespeare",
        (
            "model.d_model=64",
            "model.num_layers=2",
            "model.num_heads=1",
            "model.max_seq_len=64",
            "training.batch_size=64",
            "training.length_warmup_fraction=0",
            "training.optimizer=adamw",
            "training.max_steps=500",
        ),
    ),
    "classic, dropout": (
        "shakespeare",
        (
            "model.preset=classic",
            "model.initialization=normal",
            "model.d_model=192",
            "model.num_layers=4",
            "model.num_heads=6",
            "training.optimizer=adamw",
            "training.length_warmup_fraction=0",
            "training.max_steps=120",
            "training.eval_steps=60",
            "evaluation.max_tokens=16000",
        ),
    ),
    "gpt2, byte pairs, dropout": (
        "shakespeare",
        (
            "model.preset=gpt2",
            "model.d_model=256",
            "model.num_layers=6",
            "model.num_heads=8",
            "model.max_seq_len=256",
            "model.dropout=0.1",
            "training.batch_size=4",
            "training.optimizer=adamw",
            "training.length_warmup_fraction=0",
            "training.max_steps=60",
            "training.eval_steps=30",
            *_byte_pairs(2048),
            *SHORT,
        ),
    ),
    "llama, grouped heads, accumulation": (
        "shakespeare",
        (
            "model.preset=llama",
            "model.d_model=384",
            "model.num_layers=6",
            "model.num_heads=6",
            "model.num_kv_heads=2",
            "model.max_seq_len=256",
            "training.batch_size=8",
            "training.accumulation_steps=4",
            "training.length_warmup_fraction=0",
            "training.max_steps=16",
            "training.eval_steps=8",
            *_byte_pairs(8192),
            *SHORT,
            *LITTLE_HELD_OUT,
        ),
    ),
    "qwen3, checkpointing": (
        "shakespeare",
        (
            "model.d_model=512",
            "model.num_layers=8",
            "model.num_heads=8",
            "training.activation_checkpointing=true",
            "training.length_warmup_fraction=0",
            "training.max_steps=12",
            "training.eval_steps=6",
            *_byte_pairs(4096),
            *SHORT,
            *LITTLE_HELD_OUT,
        ),
    ),
    "wide and shallow, fp32, large vocabulary": (
        "shakespeare",
        (
            "model.d_model=768",
            "model.num_layers=2",
            "model.num_heads=12",
            "model.max_seq_len=64",
            "training.batch_size=16",
            "training.precision=fp32",
            "training.optimizer=adamw",
            "training.length_warmup_fraction=0",
            "training.max_steps=16",
            "training.eval_steps=8",
            *_byte_pairs(16384),
            *SHORT,
            *LITTLE_HELD_OUT,
        ),
    ),
    "deep and narrow, long rows": (
        "shakespeare",
        (
            "model.preset=llama",
            "model.d_model=96",
            "model.num_layers=16",
            "model.num_heads=4",
            "model.max_seq_len=512",
            "training.batch_size=2",
            "training.max_steps=120",
            "training.eval_steps=60",
            "evaluation.max_tokens=8000",
        ),
    ),
    "rows of 2,048": (
        "shakespeare",
        (
            "model.d_model=128",
            "model.num_layers=4",
            "model.num_heads=2",
            "model.max_seq_len=2048",
            "training.batch_size=2",
            "training.length_warmup_fraction=0",
            "training.max_steps=40",
            "training.eval_steps=20",
            "evaluation.max_tokens=8000",
        ),
    ),
    "classic, accumulation and checkpointing": (
        "shakespeare",
        (
            "model.preset=classic",
            "model.initialization=normal",
            "model.d_model=512",
            "model.num_layers=8",
            "model.num_heads=8",
            "model.max_seq_len=256",
            "training.batch_size=4",
            "training.accumulation_steps=2",
            "training.activation_checkpointing=true",
            "training.optimizer=adamw",
            "training.length_warmup_fraction=0",
            "training.max_steps=10",
            "training.eval_steps=5",
            *_byte_pairs(4096),
            *SHORT,
            *LITTLE_HELD_OUT,
        ),
    ),
    "GPT-2's 124M": (
        "shakespeare",
        (
            "model.preset=gpt2",
            "model.d_model=768",
            "model.num_layers=12",
            "model.num_heads=12",
            "model.max_seq_len=256",
            "model.vocab_size=50257",
            "training.batch_size=2",
            "training.optimizer=adamw",
            "training.length_warmup_fraction=0",
            "training.max_steps=4",
            "training.sample_tokens=10",
            "generation.max_new_tokens=20",
            "evaluation.max_tokens=1000",
            "data.split=tail",
            "data.validation_fraction=0.002",
            *_byte_pairs(8192),
        ),
    ),
    "SmolLM2, adapters, texts": (
        "domain",
        (
            "data.source=shakespeare",
            "data.packing=stream",
            "data.split=tail",
            "data.validation_fraction=0.002",
            "model.max_seq_len=128",
            "training.batch_size=4",
            "training.max_steps=8",
            "training.eval_steps=8",
            "training.sample_tokens=10",
            "generation.max_new_tokens=20",
            "evaluation.max_tokens=1000",
            "training.lora.targets=attention",
        ),
    ),
    "SmolLM2, adapters, instruction rows": (
        "instruct",
        (
            "data.validation_fraction=0.02",
            "model.max_seq_len=384",
            "training.batch_size=2",
            "training.epochs=0",
            "training.max_steps=8",
            "training.eval_steps=8",
            "training.sample_tokens=10",
            "generation.max_new_tokens=20",
            "evaluation.max_tokens=1000",
        ),
    ),
    "SmolLM2, all weights": (
        "domain",
        (
            "data.source=shakespeare",
            "data.packing=stream",
            "data.split=tail",
            "data.validation_fraction=0.002",
            "model.max_seq_len=128",
            "training.method=full",
            "training.optimizer=adamw",
            "training.learning_rate=1e-5",
            "training.batch_size=2",
            "training.max_steps=4",
            "training.eval_steps=4",
            "training.sample_tokens=10",
            "generation.max_new_tokens=20",
            "evaluation.max_tokens=1000",
        ),
    ),
}

FURTHER: dict[str, tuple[str, tuple[str, ...]]] = {
    "Python, byte pairs, a third of it short rows": (
        "python-code",
        (
            "training.max_steps=40",
            "training.eval_steps=20",
            "evaluation.max_tokens=16000",
            "data.validation_fraction=0.01",
            "training.sample_tokens=20",
            "generation.max_new_tokens=40",
        ),
    ),
    "five languages, documents packed": (
        "multilingual",
        (
            "training.max_steps=300",
            "training.eval_steps=150",
            "data.validation_fraction=0.01",
            "training.sample_tokens=20",
            "generation.max_new_tokens=40",
        ),
    ),
    "adapters, blocks computed twice": (
        "domain",
        (
            "training.activation_checkpointing=true",
            "training.max_steps=4",
            "training.eval_steps=4",
            "evaluation.max_tokens=2000",
            "data.validation_fraction=0.002",
            "training.sample_tokens=20",
            "generation.max_new_tokens=40",
        ),
    ),
    "much validation and saving": (
        "shakespeare",
        ("training.max_steps=200", "training.eval_steps=20", "training.save_steps=20", "evaluation.max_tokens=64000"),
    ),
    "one thread": (
        "shakespeare",
        ("training.num_threads=1", "training.max_steps=300", "model.d_model=192", "model.num_heads=3"),
    ),
    "a sliding window": (
        "shakespeare",
        ("model.sliding_window=64", "model.max_seq_len=512", "training.max_steps=200"),
    ),
}
"""Other kinds, chosen when the measurement had been written; nothing was adjusted to them."""
