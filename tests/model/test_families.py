"""The tables of families: settings and tensors there and back, what is read, and what is refused by name."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from groundup.errors import ModelError, SettingError
from groundup.model.families import from_hf_config, from_hf_tensors, to_hf_config, to_hf_tensors
from groundup.model.settings import PRESET_LIMITS, PRESETS, Preset, TransformerConfig, preset_config
from groundup.model.transformer import Transformer

FAMILY_NAMES: list[Preset] = ["gpt2", "llama", "mistral", "qwen2", "qwen3"]


def small_config(preset: Preset, **values: object) -> TransformerConfig:
    shape: dict[str, object] = {"vocab_size": 31, "d_model": 16, "num_layers": 2, "num_heads": 4, "max_seq_len": 24}
    return preset_config(preset, **(shape | values))


def small_hf_config(preset: Preset, **changes: object) -> dict[str, Any]:
    """A config.json of theirs, with some keys changed; a value `...` removes the key."""
    values = to_hf_config(small_config(preset), end_id=2, pad_id=0) | changes
    return {key: value for key, value in values.items() if value is not ...}


def random_state(config: TransformerConfig) -> dict[str, Tensor]:
    """Our state dict with every number different, so that no two can be exchanged unseen."""
    model = Transformer(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
    return model.state_dict()


def every_config(preset: Preset) -> Iterator[TransformerConfig]:
    limits = {name: allowed for name, allowed in PRESET_LIMITS[preset].items() if len(allowed) > 1}
    free: dict[str, tuple[Any, ...]] = {"tie_embeddings": (True, False), "d_ff": (0, 20)}
    if preset != "gpt2":
        free |= {"num_kv_heads": (1, 2, 4), "head_dim": (4, 6), "rope_theta": (10000.0, 5e5)}
    for values in itertools.product(*limits.values(), *free.values()):
        names = [*limits, *free]
        yield small_config(preset, dropout=0.25, norm_eps=3e-5, init_std=0.03, **dict(zip(names, values, strict=True)))


# --- there and back ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", FAMILY_NAMES)
def test_every_config_comes_back(preset: Preset) -> None:
    for config in every_config(preset):
        assert from_hf_config(to_hf_config(config, end_id=None, pad_id=None)) == config


def assert_equal_tensors(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name


@pytest.mark.parametrize("preset", FAMILY_NAMES)
@pytest.mark.parametrize("tie_embeddings", [True, False])
def test_tensors_come_back(preset: Preset, tie_embeddings: bool) -> None:
    values: dict[str, object] = {} if preset == "gpt2" else {"num_kv_heads": 2, "head_dim": 6}
    if preset in ("llama", "qwen3"):
        values["bias"] = "attention"
    config = small_config(preset, tie_embeddings=tie_embeddings, **values)
    ours = random_state(config)
    theirs = to_hf_tensors(config, ours)
    assert ("lm_head.weight" in theirs) != tie_embeddings
    back = from_hf_tensors(config, theirs)
    assert_equal_tensors(back, ours)
    assert_equal_tensors(to_hf_tensors(config, back), theirs)
    if tie_embeddings:
        assert back["output_projection.weight"] is back["token_embedding.weight"]


def test_fused_tensors_are_taken_apart_by_rows() -> None:
    config = small_config("qwen3", num_kv_heads=2, head_dim=6, bias="attention", d_ff=20)
    ours = random_state(config)
    theirs = to_hf_tensors(config, ours)
    for kind in ("weight", "bias"):
        qkv = ours[f"blocks.1.attention.qkv.{kind}"]  # 4 query heads of 6 rows, then 2 key heads, then 2 value heads
        for name, rows in (("q", slice(0, 24)), ("k", slice(24, 36)), ("v", slice(36, 48))):
            assert torch.equal(theirs[f"model.layers.1.self_attn.{name}_proj.{kind}"], qkv[rows])
    both = ours["blocks.0.feed_forward.input.weight"]
    assert torch.equal(theirs["model.layers.0.mlp.gate_proj.weight"], both[:20])
    assert torch.equal(theirs["model.layers.0.mlp.up_proj.weight"], both[20:])


def test_gpt2_matrices_are_turned_and_embeddings_are_not() -> None:
    config = small_config("gpt2")
    ours = random_state(config)
    theirs = to_hf_tensors(config, ours)
    assert torch.equal(theirs["transformer.h.1.attn.c_attn.weight"], ours["blocks.1.attention.qkv.weight"].T)
    assert torch.equal(theirs["transformer.h.1.attn.c_attn.bias"], ours["blocks.1.attention.qkv.bias"])
    assert torch.equal(theirs["transformer.wpe.weight"], ours["position_embedding.weight"])


# --- what is written --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", ["llama", "qwen3"])
def test_both_versions_find_the_rotary_base(preset: Preset) -> None:
    written = to_hf_config(small_config(preset, rope_theta=5e5), end_id=None, pad_id=None)
    assert written["rope_theta"] == 5e5
    assert written["rope_parameters"] == {"rope_theta": 5e5, "rope_type": "default"}


@pytest.mark.parametrize("preset", FAMILY_NAMES)
def test_no_special_token_is_left_to_the_class(preset: Preset) -> None:
    """The classes' own defaults are ids of other vocabularies."""
    written = to_hf_config(small_config(preset), end_id=None, pad_id=None)
    assert [written[f"{name}_token_id"] for name in ("bos", "eos", "pad")] == [None, None, None]
    written = to_hf_config(small_config(preset), end_id=7, pad_id=3)
    assert [written[f"{name}_token_id"] for name in ("bos", "eos", "pad")] == [7, 7, 3]
    assert written["dtype"] == written["torch_dtype"] == "float32"


def test_gpt2_names_its_context_twice() -> None:
    written = to_hf_config(small_config("gpt2"), end_id=None, pad_id=None)
    assert written["n_positions"] == written["n_ctx"] == 24


# --- what is read -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("preset", "changes", "expected"),
    [
        ("llama", {"rope_parameters": ..., "rope_theta": 500}, {"rope_theta": 500.0}),
        (
            "llama",
            {"rope_parameters": {"rope_theta": 7.0, "rope_type": "default"}, "rope_theta": ...},
            {"rope_theta": 7.0},
        ),
        ("llama", {"rope_parameters": ..., "rope_theta": ...}, {"rope_theta": 10000.0}),
        ("llama", {"rope_scaling": None, "rope_parameters": None, "rope_theta": 8}, {"rope_theta": 8.0}),
        ("llama", {"rope_scaling": {"type": "default"}}, {}),
        ("llama", {"num_key_value_heads": ..., "head_dim": ...}, {"num_kv_heads": 4, "head_dim": 4}),
        ("llama", {"num_key_value_heads": None, "head_dim": None}, {"num_kv_heads": 4, "head_dim": 4}),
        ("qwen3", {"head_dim": ...}, {"head_dim": 128}),
        ("qwen3", {"num_key_value_heads": ..., "num_attention_heads": 64}, {"num_kv_heads": 32}),
        ("qwen3", {"sliding_window": 4096, "max_window_layers": 28}, {}),
        ("qwen3", {"layer_types": ["full_attention"] * 2}, {}),
        ("llama", {"tie_word_embeddings": ...}, {"tie_embeddings": False}),
        ("gpt2", {"tie_word_embeddings": ...}, {"tie_embeddings": True}),
        ("gpt2", {"n_inner": None}, {"d_ff": 64}),
        ("gpt2", {"n_inner": ...}, {"d_ff": 64}),
        ("gpt2", {"n_embd": ..., "hidden_size": 8}, {"d_model": 8}),
        ("gpt2", {"activation_function": ...}, {"activation": "gelu_tanh"}),
        ("gpt2", {"activation_function": "gelu_pytorch_tanh"}, {"activation": "gelu_tanh"}),
        ("gpt2", {"activation_function": "swish"}, {"activation": "silu"}),
        ("gpt2", {"reorder_and_upcast_attn": True}, {}),
        ("llama", {"hidden_act": "gelu_new"}, {"activation": "geglu_tanh"}),
        ("llama", {"architectures": None}, {}),
        ("llama", {"architectures": ["LlamaModel"]}, {}),
        ("llama", {"favourite_colour": "green", "transformers_version": "4.0.0", "_name_or_path": "/x"}, {}),
        ("llama", {"auto_map": {}}, {}),
    ],
)
def test_what_a_config_may_say(preset: Preset, changes: dict[str, object], expected: dict[str, object]) -> None:
    found = from_hf_config(small_hf_config(preset, **changes))
    assert {name: getattr(found, name) for name in expected} == expected
    assert expected or found == from_hf_config(small_hf_config(preset))


REFUSED: list[tuple[Preset, dict[str, object], str]] = [
    (
        "llama",
        {"model_type": "mixtral"},
        "model_type = 'mixtral' is not supported; families we have: gpt2, llama, mistral, qwen2, qwen3",
    ),
    ("llama", {"model_type": ...}, "model_type = None is not supported; families we have"),
    (
        "llama",
        {"auto_map": {"AutoModelForCausalLM": "evil.Evil"}},
        "auto_map = {'AutoModelForCausalLM': 'evil.Evil'} is not supported; it asks for code that comes with the model, which we never run",
    ),
    (
        "llama",
        {"model_type": "mine", "auto_map": "evil.Evil"},
        "auto_map = 'evil.Evil' is not supported; it asks for code",
    ),
    ("llama", {"model_type": ["llama"]}, "model_type = ['llama'] is not supported"),
    ("llama", {"architectures": ["LlamaForSequenceClassification"]}, "supported: ['LlamaForCausalLM']"),
    (
        "llama",
        {"rope_scaling": {"type": "linear", "factor": 2.0}},
        "rope_scaling ('linear') and rope_parameters ('default') stretch positions differently: readers differ",
    ),
    (
        "llama",
        {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0}},
        "rope_parameters.rope_type = 'dynamic' is not supported; supported: default, linear, llama3, yarn",
    ),
    (
        "llama",
        {"rope_parameters": {"rope_type": "yarn"}},
        "rope_parameters.factor is missing; rope_type 'yarn' needs it",
    ),
    (
        "llama",
        {"rope_parameters": {"rope_type": "linear", "factor": 2, "beta_fast": 3}},
        "rope_parameters.beta_fast = 3 is not supported; rope_type 'linear' has factor",
    ),
    (
        "llama",
        {"rope_parameters": {"rope_type": "linear", "factor": "2"}},
        "rope_parameters fits no rotation (rope_parameters.factor = '2'",
    ),
    ("llama", {"rope_parameters": {"rope_type": "linear", "factor": 0.5}}, "model.rope_scaling.factor = 0.5"),
    (
        "llama",
        {"rope_parameters": {"rope_type": "yarn", "factor": 2, "mscale": "a", "mscale_all_dim": 1}},
        "= 'a' is not supported; these should be numbers above 0",
    ),
    (
        "llama",
        {"rope_theta": 1, "rope_parameters": {"rope_type": "yarn", "factor": 2}},
        "model.rope_theta = 1.0: yarn tells waves by their lengths; use more than 1",
    ),
    ("qwen3", {"rope_parameters": {"full_attention": {"rope_theta": 1.0}}}, "rope_parameters.full_attention = {"),
    ("llama", {"rope_parameters": 7}, "rope_parameters = 7 is not supported"),
    ("llama", {"rope_theta": 5.0}, "rope_theta = 5.0 but rope_parameters.rope_theta = 10000.0: readers differ"),
    ("llama", {"rope_theta": -5, "rope_parameters": ...}, "model.rope_theta = -5.0"),
    ("llama", {"partial_rotary_factor": 0.5}, "partial_rotary_factor = 0.5 is not supported; it changes the maths"),
    (
        "llama",
        {"sliding_window": 4096},
        "sliding_window = 4096 is not supported; it changes the maths; supported: None",
    ),
    ("qwen3", {"use_sliding_window": 1}, "use_sliding_window = 1 is not supported; this should be true or false"),
    ("mistral", {"sliding_window": -1}, "sliding_window = -1 is not supported; this should be a whole number"),
    ("qwen2", {"max_window_layers": -1}, "max_window_layers = -1 is not supported"),
    ("qwen3", {"layer_types": ["full_attention", "sliding_attention"]}, "above them, with use_sliding_window"),
    (
        "qwen3",
        {"layer_types": ["sliding_attention", "full_attention"], "use_sliding_window": True},
        "supported: 'full_attention' in the lower layers",
    ),
    ("mistral", {"layer_types": ["sliding_attention"] * 2}, "supported: 'full_attention' in every layer"),
    ("qwen3", {"layer_types": 3}, "layer_types = 3 is not supported"),
    ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx = True is not supported"),
    ("gpt2", {"scale_attn_weights": False}, "scale_attn_weights = False is not supported"),
    ("gpt2", {"add_cross_attention": True}, "add_cross_attention = True is not supported"),
    ("gpt2", {"hidden_size": 8}, "hidden_size = 8 is not supported; n_embd = 16 says otherwise"),
    ("llama", {"num_local_experts": 8}, "num_local_experts = 8 is not supported; it changes the maths"),
    ("llama", {"quantization_config": {"bits": 4}}, "quantization_config = {'bits': 4} is not supported"),
    ("llama", {"is_causal": False}, "is_causal = False is not supported"),
    ("llama", {"quantization_config": {"x": "y" * 200}}, "yyy… is not supported"),
    (
        "llama",
        {"hidden_act": "mish"},
        "hidden_act = 'mish' is not supported; supported: relu, gelu, gelu_pytorch_tanh, silu",
    ),
    (
        "gpt2",
        {"activation_function": "relu2"},
        "activation_function = 'relu2' is not supported; supported: relu, gelu, gelu_new",
    ),
    ("llama", {"hidden_act": 1}, "hidden_act = 1 is not supported; this should be text"),
    ("llama", {"hidden_size": ...}, "hidden_size is missing"),
    ("llama", {"vocab_size": None}, "vocab_size = None is not supported; this should be a whole number from 1 to"),
    ("llama", {"num_hidden_layers": 10**9}, "num_hidden_layers = 1000000000 is not supported"),
    ("llama", {"hidden_size": 16.0}, "hidden_size = 16.0 is not supported; this should be a whole number"),
    ("llama", {"hidden_size": True}, "hidden_size = True is not supported"),
    ("llama", {"rms_norm_eps": "small"}, "rms_norm_eps = 'small' is not supported; this should be a number"),
    ("llama", {"attention_bias": 1}, "attention_bias = 1 is not supported; this should be true or false"),
    (
        "llama",
        {"num_key_value_heads": 3},
        "these settings fit no network (model.num_kv_heads = 3: it must divide num_heads = 4)",
    ),
    ("gpt2", {"n_head": 3}, "these settings fit no network (model.num_heads = 3"),
]


@pytest.mark.parametrize(("preset", "changes", "message"), REFUSED)
def test_what_a_config_may_not_say(preset: Preset, changes: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError) as raised:
        from_hf_config(small_hf_config(preset, **changes))
    assert message in str(raised.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(FAMILY_NAMES), st.data())
def test_no_config_does_worse_than_a_model_error(preset: Preset, data: st.DataObject) -> None:
    """Whatever stands in a config: a network of its sizes, or our own error."""
    usual = small_hf_config(preset) | {"layer_types": None, "rope_scaling": None, "sliding_window": None}
    changes = data.draw(st.dictionaries(st.sampled_from(sorted(usual)), JSON, min_size=1, max_size=3))
    with contextlib.suppress(ModelError):
        config = from_hf_config(usual | changes)
        assert config.num_layers == 2 or "layer" in str(changes)
        from_hf_tensors(config, {"model.embed_tokens.weight": torch.zeros(31, 16)})


# --- what can't be written --------------------------------------------------------------------------------------------


def test_classic_has_no_stock_class() -> None:
    config = small_config("classic")
    message = "preset 'classic' has no stock Hugging Face class.* train with preset gpt2, llama, mistral, qwen2, qwen3"
    with pytest.raises(ModelError, match=message):
        to_hf_config(config, end_id=None, pad_id=None)
    with pytest.raises(ModelError, match=message):
        to_hf_tensors(config, random_state(config))


def test_llama_wants_heads_that_divide_the_width() -> None:
    with pytest.raises(
        SettingError, match=r"model\.num_heads = 3: it must divide d_model = 16: its Hugging Face class"
    ):
        small_config("llama", num_heads=3, head_dim=6)
    assert to_hf_config(small_config("qwen3", num_heads=3, head_dim=6), end_id=None, pad_id=None)["head_dim"] == 6


# --- tensors that don't fit -------------------------------------------------------------------------------------------


def changed(tensors: dict[str, Tensor], **changes: Any) -> dict[str, Tensor]:
    """Some tensors replaced; `...` removes one. A keyword's double underscores stand for dots."""
    merged: dict[str, Any] = tensors | {name.replace("__", "."): value for name, value in changes.items()}
    return {name: tensor for name, tensor in merged.items() if tensor is not ...}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model__norm__weight": ...}, "the weights lack model.norm.weight; get the directory again"),
        (
            {"model__layers__1__self_attn__k_proj__weight": ...},
            "the weights lack model.layers.1.self_attn.k_proj.weight;",
        ),
        ({"score__weight": torch.zeros(2)}, "the weights hold more than config.json describes: score.weight;"),
        (
            {f"extra{number}": torch.zeros(1) for number in range(5)},
            "hold more than config.json describes: extra0, extra1, extra2 and 2 more;",
        ),
        (
            {"model__embed_tokens__weight": torch.zeros(40, 16)},
            "tensor model.embed_tokens.weight has shape (40, 16), but config.json describes (31, 16)",
        ),
        (
            {"model__layers__0__mlp__gate_proj__weight": torch.zeros(16, 64)},
            "tensor model.layers.0.mlp.gate_proj.weight has shape (16, 64), but config.json describes (64, 16)",
        ),
        (
            {"model__norm__weight": torch.ones(16, dtype=torch.int8)},
            "tensor model.norm.weight is stored as int8; supported",
        ),
        (
            {"model__norm__weight": torch.ones(16).to(torch.float8_e4m3fn)},
            "tensor model.norm.weight is stored as float8_e4m3fn; supported: float32, float16, bfloat16",
        ),
        (
            {"model__layers__2__mlp__up_proj__weight": torch.zeros(64, 16)},
            "num_hidden_layers = 2, but the weights hold 3 layers",
        ),
        (
            {"lm_head__weight": torch.zeros(31, 16)},
            "tie_word_embeddings = True, but lm_head.weight is not the embedding",
        ),
    ],
)
def test_tensors_that_do_not_fit_are_named(changes: dict[str, object], message: str) -> None:
    config = small_config("llama")
    tensors = to_hf_tensors(config, random_state(config))
    with pytest.raises(ModelError) as raised:
        from_hf_tensors(config, changed(tensors, **changes))
    assert message in str(raised.value)


def test_gpt2_shapes_are_named_as_they_are_stored() -> None:
    config = small_config("gpt2")
    tensors = to_hf_tensors(config, random_state(config))
    tensors["transformer.h.0.attn.c_attn.weight"] = torch.zeros(48, 16)
    with pytest.raises(ModelError, match=r"c_attn.weight has shape \(48, 16\), but config.json describes \(16, 48\)"):
        from_hf_tensors(config, tensors)


def test_an_untied_projection_must_be_there() -> None:
    config = small_config("llama", tie_embeddings=False)
    tensors = to_hf_tensors(config, random_state(config))
    with pytest.raises(ModelError, match=r"the weights lack lm_head\.weight"):
        from_hf_tensors(config, changed(tensors, lm_head__weight=...))


def test_a_state_that_is_not_the_configs_is_refused() -> None:
    config = small_config("qwen3")
    state = random_state(config)
    with pytest.raises(ModelError, match=r"the weights lack final_norm\.weight"):
        to_hf_tensors(config, changed(state, final_norm__weight=...))


def test_sizes_beyond_any_machine_cost_nothing() -> None:
    config = small_config("qwen3", d_model=2**22, num_heads=2**22, head_dim=2**22)
    tensors = to_hf_tensors(small_config("qwen3"), random_state(small_config("qwen3")))
    with pytest.raises(ModelError, match="has shape"):
        from_hf_tensors(config, tensors)


# --- how older directories look ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", FAMILY_NAMES)
def test_a_directory_of_the_base_class_opens(preset: Preset) -> None:
    """The first GPT-2 directories lack the prefix, and carry their causal masks as tensors."""
    config = small_config(preset)
    ours = random_state(config)
    theirs = to_hf_tensors(config, ours)
    bare = {name.partition(".")[2]: tensor for name, tensor in theirs.items()}
    buffer = "h.0.attn.bias" if preset == "gpt2" else "layers.0.self_attn.rotary_emb.inv_freq"
    assert_equal_tensors(from_hf_tensors(config, bare | {buffer: torch.zeros(2)}), ours)


@pytest.mark.parametrize("keep_embedding", [True, False])
def test_a_tied_projection_may_be_stored_too_or_alone(keep_embedding: bool) -> None:
    config = small_config("llama")
    ours = random_state(config)
    theirs = to_hf_tensors(config, ours)
    theirs["lm_head.weight"] = theirs["model.embed_tokens.weight"].clone()
    if not keep_embedding:
        del theirs["model.embed_tokens.weight"]
    assert_equal_tensors(from_hf_tensors(config, theirs), ours)


def test_every_preset_is_a_family_or_classic() -> None:
    assert sorted(PRESETS) == ["classic", *FAMILY_NAMES]
