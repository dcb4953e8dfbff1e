"""`TransformerConfig`: the shape of a network in the field's own terms, and the presets. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from groundup.config import require, require_finite
from groundup.model.rope_settings import RopeScaling

Preset = Literal["classic", "gpt2", "llama", "mistral", "qwen2", "qwen3"]
Norm = Literal["layernorm", "rmsnorm"]
NormPosition = Literal["pre", "post"]
Position = Literal["learned", "rope"]
Activation = Literal["relu", "gelu", "gelu_tanh", "silu", "reglu", "geglu", "geglu_tanh", "swiglu"]
Bias = Literal["none", "qkv", "attention", "mlp", "all"]
Initialization = Literal["normal", "scaled", "zero"]

GATED_ACTIVATIONS = ("reglu", "geglu", "geglu_tanh", "swiglu")
PLAIN_ACTIVATIONS = ("relu", "gelu", "gelu_tanh", "silu")


@dataclass(frozen=True)
class TransformerConfig:
    """The shape of a decoder-only transformer. A 0 means: derive it (see the field)."""

    preset: Preset = "qwen3"
    """Which layout: classic (as first taught; no stock class), gpt2, llama, mistral, qwen2 or qwen3. It sets the fields below
    that you don't."""
    vocab_size: int = 0
    """Number of different tokens; 0 takes it from the tokenizer."""
    d_model: int = 128
    """Width of the residual stream."""
    num_layers: int = 4
    """Number of transformer blocks."""
    num_heads: int = 4
    """Number of query heads."""
    num_kv_heads: int = 0
    """Number of key and value heads, shared by groups of query heads; 0 takes num_heads (no sharing)."""
    head_dim: int = 0
    """Width of one head; 0 takes d_model / num_heads."""
    d_ff: int = 0
    """Inner width of the feed-forward network; 0 takes 4 d_model, or 8/3 d_model rounded up to 32 for a gated one."""
    max_seq_len: int = 256
    """The context: how many tokens the model sees at once."""
    dropout: float = 0.0
    """Share of activations zeroed in training: embeddings, attention probabilities, each residual branch."""
    norm: Norm = "rmsnorm"
    """Normalization: layernorm (mean and variance, with bias) or rmsnorm (scale only)."""
    norm_position: NormPosition = "pre"
    """pre: normalize what enters each branch; post: normalize after the residual sum, as first published."""
    norm_eps: float = 1e-6
    """Added to the variance before its root."""
    position: Position = "rope"
    """How order is told: learned (one vector a position) or rope (queries and keys are rotated)."""
    rope_theta: float = 10000.0
    """Base of the rotary wavelengths."""
    rope_scaling: RopeScaling = field(default_factory=RopeScaling)
    """How rotary positions are stretched over a longer context than they were learned with."""
    sliding_window: int = 0
    """How many tokens each token sees, itself counted; 0: all before it."""
    first_windowed_layer: int = 0
    """The first layer with that window; those below it see all. Counted from 0."""
    activation: Activation = "swiglu"
    """Feed-forward activation; reglu, geglu, geglu_tanh and swiglu multiply it with a second, ungated projection."""
    qk_norm: bool = True
    """RMS-normalize each head's queries and keys before the rotation."""
    bias: Bias = "none"
    """Which linear layers have a bias: none, qkv, attention (qkv and output), mlp, or all."""
    tie_embeddings: bool = True
    """Use the token embedding as the output projection, too."""
    initialization: Initialization = "zero"
    """How the projections that write to the residual stream start: normal, scaled by 1/√(2·num_layers), or zero."""
    init_std: float = 0.02
    """Standard deviation of all other weights at the start."""

    def __post_init__(self) -> None:
        self._derive()
        for name in ("d_model", "num_layers", "num_heads", "num_kv_heads", "head_dim", "d_ff", "max_seq_len"):
            require(getattr(self, name) >= 1, f"model.{name}", getattr(self, name), "use a whole number of at least 1")
        require(self.vocab_size >= 0, "model.vocab_size", self.vocab_size, "use 0 (from the tokenizer) or more")
        require(
            self.num_heads % self.num_kv_heads == 0,
            "model.num_kv_heads",
            self.num_kv_heads,
            f"it must divide num_heads = {self.num_heads}",
        )
        require(0 <= self.dropout < 1, "model.dropout", self.dropout, "use a share from 0 up to, not including, 1")
        require_finite("model.norm_eps", self.norm_eps, minimum=1e-12, maximum=1.0)
        require_finite("model.rope_theta", self.rope_theta, minimum=1.0, maximum=1e12)
        require_finite("model.init_std", self.init_std, maximum=100.0)
        if self.position == "rope":
            room = self.max_seq_len * self.head_dim
            most = 2**28 // max(1, self.head_dim)
            advice = (
                f"with head_dim = {self.head_dim} its table of rotations has more than 2^28 numbers; use at most {most}"
            )
            require(room <= 2**28, "model.max_seq_len", self.max_seq_len, advice)
            require(self.head_dim % 2 == 0, "model.head_dim", self.head_dim, "rotary positions need an even head_dim")
            waves = self.rope_scaling.type != "yarn" or self.rope_theta > 1
            require(waves, "model.rope_theta", self.rope_theta, "yarn tells waves by their lengths; use more than 1")
        self._check_attention()
        self._check_preset()

    def _check_attention(self) -> None:
        require(self.sliding_window >= 0, "model.sliding_window", self.sliding_window, "use 0 (none) or more")
        most = self.num_layers - 1 if self.sliding_window else 0
        require(
            0 <= self.first_windowed_layer <= most,
            "model.first_windowed_layer",
            self.first_windowed_layer,
            f"use a whole number from 0 to {most}" if self.sliding_window else "leave it out: sliding_window is 0",
        )
        if self.position == "learned":
            advice = "leave it out: only rotary positions (model.position = 'rope') are stretched"
            require(self.rope_scaling == RopeScaling(), "model.rope_scaling.type", self.rope_scaling.type, advice)

    def _derive(self) -> None:
        derived: dict[str, int] = {}
        if self.num_kv_heads == 0:
            derived["num_kv_heads"] = self.num_heads
        if self.head_dim == 0 and self.num_heads > 0 and self.d_model > 0:  # else what is wrong is told by its own name
            require(
                self.d_model % self.num_heads == 0,
                "model.num_heads",
                self.num_heads,
                f"it must divide d_model = {self.d_model} (or set model.head_dim yourself)",
            )
            derived["head_dim"] = self.d_model // self.num_heads
        if self.d_ff == 0:
            derived["d_ff"] = -(-8 * self.d_model // 96) * 32 if self.gated else 4 * self.d_model
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    def _check_preset(self) -> None:
        for name, allowed in PRESET_LIMITS[self.preset].items():
            value = getattr(self, name)
            require(
                value in allowed,
                f"model.{name}",
                value,
                f"preset {self.preset!r} only has {' or '.join(map(repr, allowed))} (its Hugging Face class knows no other); "
                "use that, or preset 'classic', which takes any layout but opens in no stock class",
            )
        if self.preset == "llama":
            require(
                self.d_model % self.num_heads == 0,
                "model.num_heads",
                self.num_heads,
                f"it must divide d_model = {self.d_model}: its Hugging Face class asks for it even where head_dim is given",
            )
        if self.preset == "gpt2":
            advice = (
                f"GPT-2 has one key/value head per query head and head_dim = d_model / num_heads; {self.num_heads} and "
            )
            require(
                self.num_kv_heads == self.num_heads, "model.num_kv_heads", self.num_kv_heads, advice + "no other fits"
            )
            width = self.num_heads * self.head_dim
            require(
                width == self.d_model, "model.head_dim", self.head_dim, advice + f"{self.d_model // self.num_heads} fit"
            )

    @property
    def gated(self) -> bool:
        """Whether the feed-forward network multiplies its activation with a second projection."""
        return self.activation in GATED_ACTIVATIONS

    @property
    def qkv_bias(self) -> bool:
        return self.bias in ("qkv", "attention", "all")

    @property
    def attention_output_bias(self) -> bool:
        return self.bias in ("attention", "all")

    @property
    def mlp_bias(self) -> bool:
        return self.bias in ("mlp", "all")

    @property
    def output_bias(self) -> bool:
        """Only the classic layout has a bias on the projection to the vocabulary."""
        return self.preset == "classic" and self.bias == "all" and not self.tie_embeddings


@dataclass(frozen=True)
class ModelSettings(TransformerConfig):
    """The [model] section of a recipe: a network to be made, or one to start from."""

    base: str = ""
    """The model to start from: a run, a Hugging Face directory, a .gguf file, a catalogue name or `hf://owner/name`. It decides all
    of this section but max_seq_len (the tokens of a training row) and dropout."""

    def network(self) -> TransformerConfig:
        """The network alone."""
        return TransformerConfig(**{each.name: getattr(self, each.name) for each in fields(TransformerConfig)})


# What a preset sets unless the recipe says otherwise. qwen3 is the default: the field defaults above.
PRESETS: dict[str, dict[str, Any]] = {
    "classic": {
        "norm": "layernorm",
        "norm_position": "post",
        "norm_eps": 1e-5,
        "position": "learned",
        "activation": "relu",
        "qk_norm": False,
        "bias": "all",
        "tie_embeddings": False,
        "initialization": "normal",
        "dropout": 0.1,
    },
    "gpt2": {
        "norm": "layernorm",
        "norm_eps": 1e-5,
        "position": "learned",
        "activation": "gelu_tanh",
        "qk_norm": False,
        "bias": "all",
        "initialization": "scaled",
    },
    "llama": {"qk_norm": False},
    "mistral": {"qk_norm": False},
    "qwen2": {"qk_norm": False, "bias": "qkv"},
    "qwen3": {},
}

LLAMA_LIKE: dict[str, tuple[Any, ...]] = {
    "norm": ("rmsnorm",),
    "norm_position": ("pre",),
    "position": ("rope",),
    "activation": GATED_ACTIVATIONS,
}

# What each preset's stock class can express; a field that is not named here is free.
PRESET_LIMITS: dict[str, dict[str, tuple[Any, ...]]] = {
    "classic": {},
    "gpt2": {
        "norm": ("layernorm",),
        "norm_position": ("pre",),
        "position": ("learned",),
        "activation": PLAIN_ACTIVATIONS,
        "qk_norm": (False,),
        "bias": ("all",),
        "sliding_window": (0,),
    },
    "llama": {
        **LLAMA_LIKE,
        "qk_norm": (False,),
        "bias": ("none", "attention", "mlp", "all"),
        "sliding_window": (0,),
    },
    "mistral": {**LLAMA_LIKE, "qk_norm": (False,), "bias": ("none",), "first_windowed_layer": (0,)},
    "qwen2": {**LLAMA_LIKE, "qk_norm": (False,), "bias": ("qkv",)},
    "qwen3": {**LLAMA_LIKE, "qk_norm": (True,), "bias": ("none", "attention")},
}


def with_preset(values: Mapping[str, Any]) -> dict[str, Any]:
    """The plain values of a [model] section laid over those of the preset it names."""
    return {**PRESETS.get(str(values.get("preset", "qwen3")), {}), **values}


def preset_config(preset: Preset, **values: Any) -> TransformerConfig:
    """A preset with some fields changed, from Python: `preset_config("gpt2", vocab_size=100, d_model=64)`."""
    return TransformerConfig(**with_preset({"preset": preset, **values}))
