"""Our ONNX graphs in ONNX Runtime against the network itself: every layout, ragged rows, padding, and the engine's text."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from groundup.errors import MissingExtraError, ModelError
from groundup.exports import onnx_forward, onnx_graph, onnx_nodes
from groundup.exports.onnx_forward import OnnxForward, PortableForward
from groundup.exports.onnx_graph import DATA_FILE, MODEL_FILE, read_onnx, write_onnx
from groundup.exports.onnx_runtime import import_onnx, import_onnxruntime, open_session
from groundup.exports.quantize import Quantize
from groundup.generation.engine import Engine
from groundup.generation.forward import Forward
from groundup.generation.generation import Generation
from groundup.generation.request import Request
from groundup.generation.settings import GenerationSettings
from groundup.model.rope_settings import RopeScaling
from groundup.model.settings import Preset, preset_config
from groundup.model.transformer import KVCache, Transformer

V, CONTEXT = 23, 24
SAME = 1e-4  # logits, of which the largest are about 5
NETWORKS: dict[str, dict[str, Any]] = {
    "classic": {"preset": "classic"},
    "gpt2": {"preset": "gpt2"},
    "llama": {"preset": "llama"},
    "mistral with a window": {"preset": "mistral", "sliding_window": 5},
    "qwen2 with a window from its second layer": {"preset": "qwen2", "sliding_window": 5, "first_windowed_layer": 1},
    "qwen3": {"preset": "qwen3"},
    "grouped queries": {"preset": "qwen3", "num_kv_heads": 1},
    "grouped queries, no norm": {"preset": "llama", "num_kv_heads": 1},
    "untied, all biases": {"preset": "llama", "bias": "all", "tie_embeddings": False},
    "attention biases": {"preset": "qwen3", "bias": "attention"},
    "erf, learned positions": {"preset": "gpt2", "activation": "gelu"},
    "relu": {"preset": "gpt2", "activation": "relu"},
    "silu": {"preset": "gpt2", "activation": "silu"},
    "geglu": {"preset": "llama", "activation": "geglu"},
    "geglu_tanh": {"preset": "llama", "activation": "geglu_tanh"},
    "reglu": {"preset": "llama", "activation": "reglu"},
    "classic mixed": {"preset": "classic", "norm": "rmsnorm", "position": "rope", "qk_norm": True, "bias": "mlp"},
    "classic before": {"preset": "classic", "norm_position": "pre", "bias": "none", "tie_embeddings": True},
    "linear": {"preset": "llama", "rope_scaling": RopeScaling("linear", 2.0)},
    "llama3": {"preset": "llama", "rope_scaling": RopeScaling("llama3", 4.0, 8)},
    "yarn": {"preset": "qwen3", "rope_scaling": RopeScaling("yarn", 4.0, 8)},
    "narrow heads": {"preset": "qwen3", "d_model": 24, "num_heads": 4, "num_kv_heads": 2},
    "an odd width": {"preset": "classic", "d_model": 10},
}


def network(name: str = "qwen3") -> Transformer:
    """A network whose scores hang on everything it reads."""
    torch.manual_seed(0)
    values = {"d_model": 32, "num_layers": 2, "num_heads": 2, **NETWORKS[name]}
    preset: Preset = values.pop("preset")
    config = preset_config(
        preset, vocab_size=V, max_seq_len=CONTEXT, initialization="normal", init_std=0.2, dropout=0.0, **values
    )
    model = Transformer(config).eval()
    for parameter in model.parameters():
        if parameter.ndim == 1:
            parameter.data += 0.3 * torch.randn(parameter.shape)
    return model


def both(model: Transformer, forward: Any, caches: tuple[KVCache, KVCache], ids: Tensor) -> float:
    """How far two passes' logits are apart."""
    expected = model(ids, cache=caches[0])[:, -1]
    assert caches[0].lengths != caches[1].lengths
    given = forward(ids, caches[1])
    assert caches[0].lengths == caches[1].lengths
    return float((expected - given).abs().max())


@pytest.mark.parametrize("name", NETWORKS)
@torch.inference_mode()
def test_the_engines_graph_gives_the_networks_logits_also_where_rows_differ_in_length(name: str) -> None:
    model = network(name)
    forward = OnnxForward.of_model(model)
    ids = torch.randint(0, V, (3, CONTEXT))
    caches = KVCache(model.config, 3, CONTEXT, "cpu"), KVCache(model.config, 3, CONTEXT, "cpu")
    apart = both(model, forward, caches, ids[:, :7])
    for cache in caches:
        cache.lengths = [7, 2, 5]  # what lies beyond a row's length is padding
    for start, end in ((7, 8), (8, 9), (9, 15), (15, 16), (16, 24)):
        apart = max(apart, both(model, forward, caches, ids[:, start:end]))
    assert apart < SAME


@pytest.mark.parametrize("name", NETWORKS)
def test_the_written_graph_gives_the_networks_logits_with_padding_in_front_and_with_what_was_read(
    name: str, tmp_path: Path
) -> None:
    model = network(name)
    write_onnx(model, tmp_path)
    import_onnx().checker.check_model(str(tmp_path / MODEL_FILE), full_check=True)
    session = open_session(tmp_path / MODEL_FILE, num_threads=1)
    ids, real = np.random.default_rng(0).integers(0, V, (3, 14)), np.ones((3, 14), np.int64)
    real[1, :4] = 0
    with torch.inference_mode():
        expected = model(torch.from_numpy(ids), attention_mask=torch.from_numpy(real)).numpy()
    config = model.config
    names = [f"{i}.{kind}" for i in range(config.num_layers) for kind in ("key", "value")]
    past = [np.zeros((3, config.num_kv_heads, 0, config.head_dim), np.float32) for _ in names]
    places, given = np.maximum(real.cumsum(1) - 1, 0), []
    for start, end in ((0, 6), (6, 7), (7, 14)):
        inputs = {"input_ids": ids[:, start:end], "attention_mask": real[:, :end], "position_ids": places[:, start:end]}
        inputs |= {f"past_key_values.{name}": each for name, each in zip(names, past, strict=True)}
        logits, *past = session.run(["logits", *(f"present.{name}" for name in names)], inputs)
        given.append(logits)
    apart = np.abs(np.concatenate(given, axis=1) - expected)
    assert apart[real == 1].max() < SAME


@pytest.mark.parametrize("name", ["gpt2", "grouped queries", "mistral with a window"])
def test_the_written_graph_runs_without_onnx_runtime(name: str, tmp_path: Path) -> None:
    """By the reference implementation of the standard, which knows no operators but its own."""
    model = network(name)
    write_onnx(model, tmp_path)
    proto, config = import_onnx().load(str(tmp_path / MODEL_FILE)), model.config
    assert {node.domain for node in proto.graph.node} == {""}
    ids = np.random.default_rng(0).integers(0, V, (2, 9))
    inputs: dict[str, Any] = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    inputs |= {"position_ids": np.arange(9)[None].repeat(2, 0)}
    for i in range(config.num_layers):
        empty = np.zeros((2, config.num_kv_heads, 0, config.head_dim), np.float32)
        inputs |= {f"past_key_values.{i}.key": empty, f"past_key_values.{i}.value": empty}
    (logits,) = import_module("onnx.reference").ReferenceEvaluator(proto).run(["logits"], inputs)
    with torch.inference_mode():
        assert np.abs(logits - model(torch.from_numpy(ids)).numpy()).max() < SAME


@pytest.mark.parametrize("quantize", ["", "int8", "int4"])
@pytest.mark.parametrize("name", ["untied, all biases", "gpt2", "an odd width", "narrow heads"])
@torch.inference_mode()
def test_a_written_graph_is_read_back_for_the_engine_and_gives_what_the_file_gives(
    name: str, quantize: Quantize, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_graph, "LARGE", 0)  # as if it were large
    model = network(name)
    write_onnx(model, tmp_path, quantize)
    ids = torch.randint(0, V, (1, 9))
    forwards: list[Forward] = [
        OnnxForward(tmp_path),
        OnnxForward.of_model(model, quantize),
        PortableForward.of_file(tmp_path),
    ]
    logits = [forward(ids, KVCache(model.config, 1, CONTEXT, "cpu")) for forward in forwards]
    assert (logits[0] - logits[1]).abs().max() < 1e-6
    assert (logits[0] - logits[2]).abs().max() < (
        SAME if quantize == "" else 0.2
    )  # a rounding of activations may fall otherwise


def test_small_weights_are_in_the_graph_itself_and_large_ones_that_are_shared_are_written_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = network()
    write_onnx(model, tmp_path / "small")
    assert [path.name for path in (tmp_path / "small").iterdir()] == [MODEL_FILE]
    monkeypatch.setattr(onnx_graph, "LARGE", 0)
    monkeypatch.setattr(onnx_nodes, "INLINE", 0)
    write_onnx(model, tmp_path / "large", "int8")
    proto = import_onnx().load(str(tmp_path / "large" / MODEL_FILE), load_external_data=False)
    places = {
        tensor.name: {each.key: each.value for each in tensor.external_data} for tensor in proto.graph.initializer
    }
    rows, matrix = places["token_embedding.weight.rows"], places["token_embedding.weight.stored"]
    assert rows["offset"] == matrix["offset"]
    assert all(int(place["offset"]) % 4096 == 0 for place in places.values() if place)


@torch.inference_mode()
def test_the_embedding_is_the_models_own_memory() -> None:
    """What is changed in the model after the session was opened is changed in the session."""
    model = network("untied, all biases")
    forward = OnnxForward.of_model(model)
    ids = torch.tensor([[3, 1, 4, 1, 5]])
    model.token_embedding.weight[5] *= -2.0
    caches = KVCache(model.config, 1, CONTEXT, "cpu"), KVCache(model.config, 1, CONTEXT, "cpu")
    assert both(model, forward, caches, ids) < SAME


@torch.inference_mode()
def test_a_long_prompt_is_read_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    model = network("qwen2 with a window from its second layer")
    monkeypatch.setattr(onnx_forward, "LONGEST_PIECE", 5)
    caches = KVCache(model.config, 2, CONTEXT, "cpu"), KVCache(model.config, 2, CONTEXT, "cpu")
    assert both(model, OnnxForward.of_model(model), caches, torch.randint(0, V, (2, 17))) < SAME
    assert (caches[0].keys - caches[1].keys).abs().max() < SAME


def test_the_engine_writes_the_same_text_whichever_pass_it_takes() -> None:
    model = network("grouped queries")
    prompts = [[1, 2, 3], [4], list(range(1, 20))]
    settings = GenerationSettings(max_new_tokens=30, temperature=0.7, seed=3)
    texts = []
    for forward in (None, OnnxForward.of_model(model)):
        generation = Generation(model, prompts, settings, forward=forward)
        for _ in generation:
            pass
        texts.append(generation.texts)
    assert texts[0] == texts[1]


@pytest.mark.parametrize("quantize", ["", "int8", "int4"])
def test_a_texts_scores_dont_hang_on_who_else_is_in_the_batch(quantize: Quantize) -> None:
    model = network()
    forward = OnnxForward.of_model(model, quantize)

    def scores(others: list[list[int]]) -> list[float]:
        engine = Engine(model, 1 + len(others), forward=forward)
        settings = GenerationSettings(max_new_tokens=6, temperature=0.0)
        ticket = engine.add(Request([1, 2, 3, 4], settings, logprobs=0))
        for other in others:
            engine.add(Request(other, settings))
        given = []
        while engine.busy:
            given += [token.logprob or 0.0 for token in engine.step() if token.ticket == ticket]
        return given

    assert scores([]) == pytest.approx(scores([[5], list(range(1, 12)), [7, 7]]), abs=1e-4)


def test_nothing_is_left_in_the_home_of_whoever_runs_it(tmp_path: Path) -> None:
    """ONNX Runtime would leave a device's id and a data base of events."""
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    kept = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    command = [sys.executable, "-c", "import groundup.exports, onnxruntime"]
    subprocess.run(command, env={**kept, **home}, check=True)
    assert not list(tmp_path.rglob("*onnxruntime*"))


def test_a_directory_that_is_none_is_refused_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match=r"cannot be read.*name a directory that holds one"):
        OnnxForward(tmp_path)
    (tmp_path / MODEL_FILE).write_bytes(b"not a graph at all")
    with pytest.raises(ModelError, match="is not an ONNX model"):
        OnnxForward(tmp_path)
    onnx = import_onnx()
    empty = onnx.helper.make_model(onnx.helper.make_graph([], "another", [], []))
    (tmp_path / MODEL_FILE).write_bytes(empty.SerializeToString())
    with pytest.raises(ModelError, match="does not say which of our networks it holds"):
        read_onnx(tmp_path)
    monkeypatch.setattr(onnx_graph, "LARGE", 0)
    write_onnx(network(), tmp_path)
    whole = (tmp_path / DATA_FILE).read_bytes()
    (tmp_path / DATA_FILE).write_bytes(whole[:-5000])
    with pytest.raises(ModelError, match="is cut off"):
        read_onnx(tmp_path)
    (tmp_path / DATA_FILE).unlink()
    with pytest.raises(ModelError, match=r"lacks model\.onnx\.data"):
        read_onnx(tmp_path)


def test_a_config_that_is_broken_is_refused(tmp_path: Path) -> None:
    write_onnx(network(), tmp_path)
    proto = import_onnx().load(str(tmp_path / MODEL_FILE))
    for each in proto.metadata_props:
        if each.key == "groundup.config":
            each.value = json.dumps({**json.loads(each.value), "d_model": -3})
    (tmp_path / MODEL_FILE).write_bytes(proto.SerializeToString())
    with pytest.raises(ModelError, match=r"model\.d_model = -3"):
        read_onnx(tmp_path)


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_missing_package_is_said_with_its_extra(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r"groundup\[export\]"):
        {"onnx": import_onnx, "onnxruntime": import_onnxruntime}[package]()


def test_a_package_that_is_there_but_cannot_be_loaded_is_not_called_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = "libonnxruntime.so: failed to map segment from shared object"  # what a machine without memory says
    (tmp_path / "onnxruntime.py").write_text(f"raise ImportError({told!r})\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    with pytest.raises(ImportError, match="failed to map segment"):
        import_onnxruntime()


def test_a_model_on_another_device_is_refused() -> None:
    with pytest.raises(ModelError, match=r"the model is on meta.*open it with device = cpu"):
        OnnxForward.of_model(network().to("meta"))


def test_a_model_in_another_number_format_is_refused() -> None:
    with pytest.raises(ModelError, match=r"the model is in torch.bfloat16.*computes in float32: convert it"):
        OnnxForward.of_model(network().bfloat16())
