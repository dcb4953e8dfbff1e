"""Model directories: written, read back, read as others write them, and every way in which one can be broken."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from groundup.errors import ModelError
from groundup.model.directory import load_model, read_config, save_model
from groundup.model.settings import PRESETS, Preset, preset_config
from groundup.model.transformer import Transformer
from groundup.model.weights import StoredTensors

EVERY_PRESET = pytest.mark.parametrize("preset", sorted(PRESETS))
IDS = torch.arange(20).view(2, 10)


def random_model(preset: Preset, **values: object) -> Transformer:
    """Two small layers, every weight drawn at random."""
    shape: dict[str, object] = {"vocab_size": 31, "d_model": 16, "num_layers": 2, "num_heads": 4, "max_seq_len": 24}
    model = Transformer(preset_config(preset, **(shape | values)))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
    return model.eval()


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A sound directory to break."""
    save_model(random_model("qwen3"), tmp_path / "model")
    return tmp_path / "model"


def rewrite_config(directory: Path, **changes: object) -> None:
    path = directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


# --- there and back ---------------------------------------------------------------------------------------------------


@EVERY_PRESET
@pytest.mark.parametrize("tie_embeddings", [True, False])
def test_a_saved_model_is_loaded_bit_for_bit(preset: Preset, tie_embeddings: bool, tmp_path: Path) -> None:
    model = random_model(preset, tie_embeddings=tie_embeddings)
    save_model(model, tmp_path / "new" / "folder")
    loaded = load_model(tmp_path / "new" / "folder")
    assert not loaded.training
    assert loaded.state_dict().keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
        assert loaded.state_dict()[name].dtype == torch.float32
    assert torch.equal(loaded(IDS), model(IDS))
    assert (loaded.output_projection.weight is loaded.token_embedding.weight) == tie_embeddings


@EVERY_PRESET
def test_a_loaded_model_is_trained_on(preset: Preset, tmp_path: Path) -> None:
    model = random_model(preset, dropout=0.0)
    save_model(model, tmp_path)
    gradients = []
    for each in (model, load_model(tmp_path)):
        loss = each.train()(IDS).square().mean()
        gradients.append(torch.autograd.grad(loss, list(each.parameters())))
    torch.testing.assert_close(gradients[0], gradients[1], atol=0, rtol=0)


def test_a_model_is_saved_over_the_directory_that_it_came_from(saved: Path) -> None:
    model = load_model(saved)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    save_model(model, saved)
    for name, tensor in load_model(saved).state_dict().items():
        assert torch.equal(tensor, before[name])
        assert torch.equal(model.state_dict()[name], before[name])


def test_loading_draws_no_random_numbers(saved: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    load_model(saved)
    assert torch.equal(torch.rand(3), expected)


def test_saving_from_half_precision_writes_fp32(tmp_path: Path) -> None:
    save_model(random_model("llama").bfloat16(), tmp_path)
    assert {tensor.dtype for tensor in load_file(tmp_path / "model.safetensors").values()} == {torch.float32}


def test_what_a_directory_holds(tmp_path: Path) -> None:
    save_model(random_model("llama"), tmp_path, end_id=2, pad_id=0)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "config.json",
        "generation_config.json",
        "model.safetensors",
    ]
    generation = json.loads((tmp_path / "generation_config.json").read_text())
    assert {name: generation[f"{name}_token_id"] for name in ("bos", "eos", "pad")} == {"bos": 2, "eos": 2, "pad": 0}
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt"}
        assert "lm_head.weight" not in file.keys()  # tied  # noqa: SIM118


def test_several_end_tokens_are_written_to_both_configs(tmp_path: Path) -> None:
    save_model(random_model("llama"), tmp_path, end_id=2, pad_id=0, begin_id=1, end_ids=(2, 5, 2))
    for name in ("config.json", "generation_config.json"):
        written = json.loads((tmp_path / name).read_text())
        assert [written[f"{role}_token_id"] for role in ("bos", "eos", "pad")] == [1, [2, 5], 0]


@pytest.mark.parametrize("values", [{}, {"norm_position": "pre", "position": "rope", "qk_norm": True, "bias": "qkv"}])
def test_a_classic_directory_says_that_only_we_open_it(values: dict[str, object], tmp_path: Path) -> None:
    model = random_model("classic", **values)
    save_model(model, tmp_path)
    written = json.loads((tmp_path / "config.json").read_text())
    assert written["model_type"] == "groundup-classic"
    assert "No stock Hugging Face class" in written["note"]
    assert "architectures" not in written
    assert read_config(tmp_path) == model.config


# --- as others write it -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_read_as_fp32(dtype: torch.dtype, saved: Path) -> None:
    path = saved / "model.safetensors"
    tensors = {name: tensor.to(dtype) for name, tensor in load_file(path).items()}
    save_file(tensors, path)
    loaded = load_model(saved).state_dict()
    assert torch.equal(loaded["token_embedding.weight"], tensors["model.embed_tokens.weight"].float())
    assert {tensor.dtype for tensor in loaded.values()} == {torch.float32}


def shard(directory: Path) -> dict[str, Tensor]:
    """Turn the directory's one file into two and an index; the tensors."""
    tensors: dict[str, Tensor] = load_file(directory / "model.safetensors")
    (directory / "model.safetensors").unlink()
    names = sorted(tensors)
    places = {name: f"model-0000{1 + number % 2}-of-00002.safetensors" for number, name in enumerate(names)}
    for place in set(places.values()):
        save_file({name: tensors[name].clone() for name in names if places[name] == place}, directory / place)
    index = {"metadata": {"total_size": 1}, "weight_map": places}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))
    return tensors


def test_sharded_weights_are_joined(saved: Path) -> None:
    whole = load_model(saved)
    shard(saved)
    for name, tensor in load_model(saved).state_dict().items():
        assert torch.equal(tensor, whole.state_dict()[name])


# --- broken directories -----------------------------------------------------------------------------------------------


def refusal(load: Callable[[], object]) -> str:
    with pytest.raises(ModelError) as raised:
        load()
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "nowhere"
    assert refusal(lambda: load_model(path)).startswith(f"{path}: there is no such directory; name one that holds")


def test_a_path_that_is_a_file(saved: Path) -> None:
    path = saved / "model.safetensors"
    assert refusal(lambda: load_model(path)).startswith(f"{path} is a file, not a model; name the directory")


def test_a_directory_without_a_config(saved: Path) -> None:
    (saved / "config.json").unlink()
    assert refusal(lambda: load_model(saved)).startswith(f"{saved} holds no config.json, so it is not a model")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{'a': 1}", "config.json is not JSON (Expecting property name"),
        (b"", "config.json is not JSON"),
        (b"\xff\xfe\xfa", "config.json is not JSON"),
        (b"[" * 100_000, "config.json is not JSON"),
        (b"[1, 2]", "config.json should hold a JSON object, not list"),
        (
            b"{}",
            "config.json: model_type = None is not supported; families we have: gpt2, llama, mistral, qwen2, qwen3",
        ),
    ],
)
def test_a_config_that_is_none(content: bytes, message: str, saved: Path) -> None:
    (saved / "config.json").write_bytes(content)
    assert message in refusal(lambda: load_model(saved))


def test_a_config_that_cannot_be_read(saved: Path) -> None:
    (saved / "config.json").unlink()
    (saved / "config.json").mkdir()
    assert "config.json cannot be read (Is a directory); check its permissions" in refusal(lambda: load_model(saved))


def test_a_refused_setting_is_named_with_its_file(saved: Path) -> None:
    rewrite_config(saved, partial_rotary_factor=0.5)
    assert refusal(lambda: read_config(saved)).startswith(f"{saved / 'config.json'}: partial_rotary_factor = 0.5 is")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.pth", "last.ckpt", "model.pkl"])
def test_a_directory_with_a_pickle_only(name: str, saved: Path) -> None:
    (saved / "model.safetensors").rename(saved / name)
    message = refusal(lambda: load_model(saved))
    assert message.startswith(
        f"{saved} holds a pickle only ({name}), which can run code when loaded; convert it to safe"
    )


def test_a_directory_without_weights(saved: Path) -> None:
    (saved / "model.safetensors").unlink()
    assert refusal(lambda: load_model(saved)).startswith(f"{saved} holds no model.safetensors; its weights are missing")


def test_weights_that_are_cut_short_or_damaged(saved: Path) -> None:
    path = saved / "model.safetensors"
    whole = path.read_bytes()
    for content in (whole[:-10], whole[:100], b"", b"\xff" * 8 + whole[8:], b"not safetensors at all"):
        path.write_bytes(content)
        message = refusal(lambda: load_model(saved))
        assert message.startswith(f"{path} is damaged or cut short (")
        assert message.endswith("; get the file again")


def test_weights_that_cannot_be_read(saved: Path) -> None:
    (saved / "model.safetensors").unlink()
    (saved / "model.safetensors").mkdir()
    assert f"{saved / 'model.safetensors'} cannot be read (" in refusal(lambda: load_model(saved))


def test_weights_that_only_pytorch_cannot_open(saved: Path) -> None:
    """One more file may be open: the library's own look at it, and not PyTorch's."""
    stored = StoredTensors([saved / "model.safetensors"])
    before, free = resource.getrlimit(resource.RLIMIT_NOFILE), os.open(os.devnull, os.O_RDONLY)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + 1, before[1]))
    try:
        message = refusal(lambda: stored[next(iter(stored))])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert message.startswith(f"{saved / 'model.safetensors'} cannot be read (the system could not map it")


def test_a_vocabulary_that_is_not_the_weights(saved: Path) -> None:
    rewrite_config(saved, vocab_size=40)
    message = refusal(lambda: load_model(saved))
    assert message.startswith(
        f"{saved}: tensor model.embed_tokens.weight has shape (31, 16), but config.json describes (40, 16)"
    )


def test_a_missing_tensor(saved: Path) -> None:
    tensors = load_file(saved / "model.safetensors")
    del tensors["model.norm.weight"]
    save_file(tensors, saved / "model.safetensors")
    assert f"{saved}: the weights lack model.norm.weight" in refusal(lambda: load_model(saved))


def test_a_missing_shard(saved: Path) -> None:
    shard(saved)
    (saved / "model-00002-of-00002.safetensors").unlink()
    message = refusal(lambda: load_model(saved))
    assert "model-00002-of-00002.safetensors cannot be read (" in message


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ({}, "has no weight_map that says which file holds which tensor"),
        ({"weight_map": {"a": 1}}, "has no weight_map that says which file holds which tensor"),
        (
            {"weight_map": {"a": "../model.safetensors"}},
            "names '../model.safetensors', which is not a safetensors file of its",
        ),
        (
            {"weight_map": {"a": "pytorch_model.bin"}},
            "names 'pytorch_model.bin', which is not a safetensors file of its",
        ),
        (
            {"weight_map": {"a": "model-00001-of-00002.safetensors"}},
            "names tensor a, but model-00001-of-00002.safetensors does not hold it",
        ),
    ],
)
def test_an_index_that_is_wrong(index: dict[str, object], message: str, saved: Path) -> None:
    shard(saved)
    (saved / "model.safetensors.index.json").write_text(json.dumps(index))
    assert message in refusal(lambda: load_model(saved))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"preset": "qwen3"},
            "preset = 'qwen3', but model_type 'groundup-classic' is preset 'classic'; get the file again",
        ),
        (
            {"d_model": "wide"},
            "config.json: model.d_model = 'wide': this should be a whole number; get the file again",
        ),
        ({"hidden_size": 5}, "config.json: model.hidden_size"),
        ({"num_heads": 5, "head_dim": 0}, "it must divide d_model = 16"),
    ],
)
def test_a_classic_config_that_is_wrong(changes: dict[str, object], message: str, tmp_path: Path) -> None:
    save_model(random_model("classic"), tmp_path)
    rewrite_config(tmp_path, **changes)
    assert message in refusal(lambda: load_model(tmp_path))


def test_classic_weights_that_do_not_fit(tmp_path: Path) -> None:
    save_model(random_model("classic"), tmp_path)
    rewrite_config(tmp_path, num_layers=3)
    assert "num_layers = 3, but the weights hold 2 layers; get" in refusal(lambda: load_model(tmp_path))


# --- saving that fails ------------------------------------------------------------------------------------------------


def test_what_the_disk_refuses_goes_through(tmp_path: Path) -> None:
    (tmp_path / "model").write_text("a file where the directory should be")
    with pytest.raises(OSError):
        save_model(random_model("llama"), tmp_path / "model")
