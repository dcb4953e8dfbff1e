"""Models in other forms become directories that everything opens."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from gguf import GGMLQuantizationType
from tests.hub_server import hub
from tests.model.test_gguf_file import network, write
from tests.tokens.test_gguf_vocabulary import byte_pair_facts
from transformers import AutoModelForCausalLM, AutoTokenizer

from groundup.errors import DataError, MissingExtraError, ModelError, TokenizerError
from groundup.language_model import LanguageModel
from groundup.language_model.locate import find_model
from groundup.model.directory import save_model


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GROUNDUP_CACHE", str(tmp_path / "cache"))


def test_nothing_is_fetched_that_could_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(MissingExtraError, match=r"reading smollm2-135m-instruct .*pip install 'groundup\[gguf\]'"):
        find_model("smollm2-135m-instruct")
    assert not (tmp_path / "cache" / "archives").exists()


def test_a_gguf_file_is_converted_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made, facts = byte_pair_facts("qwen2")
    model = network("llama", vocab_size=made.vocab_size + 1)
    write(tmp_path / "tiny.gguf", model, "llama", GGMLQuantizationType.Q8_0, vocabulary=facts)
    directory = find_model(tmp_path / "tiny.gguf")
    assert "converting tiny.gguf" in capsys.readouterr().err
    assert find_model(tmp_path / "tiny.gguf") == directory
    assert capsys.readouterr().err == ""
    ours = LanguageModel.load(tmp_path / "tiny.gguf", device="cpu")
    theirs = AutoModelForCausalLM.from_pretrained(directory).eval()
    ids = torch.tensor([made.encode("The License")])
    assert AutoTokenizer.from_pretrained(directory)("The License").input_ids == ids[0].tolist()
    with torch.no_grad():
        torch.testing.assert_close(ours.model(ids), theirs(ids).logits, atol=1e-4, rtol=1e-4)
    card = (directory / "README.md").read_text()
    assert "**dequantized** from Q8_0" in card
    assert AutoTokenizer.from_pretrained(directory).chat_template == "{{ messages }}"


def test_a_vocabulary_of_another_size_is_named(tmp_path: Path) -> None:
    _, facts = byte_pair_facts("qwen2")
    write(tmp_path / "tiny.gguf", network("llama"), "llama", GGMLQuantizationType.F32, vocabulary=facts)
    with pytest.raises(ModelError, match=r"tiny.gguf: the tokenizer has 401 tokens but token_embd.weight only 31 rows"):
        find_model(tmp_path / "tiny.gguf")
    assert not list((tmp_path / "cache" / "models").glob("[!.]*gguf*/"))


def test_a_file_that_cannot_be_read_leaves_nothing_behind(tmp_path: Path) -> None:
    _, facts = byte_pair_facts("qwen2")
    path = tmp_path / "tiny.gguf"
    write(
        path, network("llama"), "llama", GGMLQuantizationType.F32, vocabulary={**facts, "tokenizer.ggml.pre": "tekken"}
    )
    with pytest.raises(TokenizerError, match=r"tiny.gguf: tokenizer.ggml.pre = 'tekken' cuts text in a way"):
        find_model(path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ModelError, match=r"tiny.gguf is not a whole GGUF file: its [\d,]+ bytes are cut short"):
        find_model(path)
    assert not (tmp_path / "cache" / "models").exists()


def test_a_model_of_a_hub_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(
        DataError, match=r"^hf://owner/nowhere could not be fetched from the hub \(.*\): check the name"
    ):
        LanguageModel.load("hf://owner/nowhere")


def test_a_model_of_a_hub_that_asks_for_its_own_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made, _ = byte_pair_facts("qwen2")
    save_model(network("qwen2", vocab_size=made.vocab_size), tmp_path / "made")
    made.save(tmp_path / "made")
    files = {file.name: file.read_bytes() for file in (tmp_path / "made").iterdir()}
    files["config.json"] = json.dumps({**json.loads(files["config.json"]), "auto_map": {"AutoConfig": "a.B"}}).encode()
    with (
        hub(files, monkeypatch),
        pytest.raises(ModelError, match=r"config.json: auto_map = .* it asks for code that comes"),
    ):
        LanguageModel.load("hf://owner/coded")


def test_a_model_of_a_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made, _ = byte_pair_facts("qwen2")
    save_model(network("qwen2", vocab_size=made.vocab_size), tmp_path / "made")
    made.save(tmp_path / "made")
    files = {file.name: file.read_bytes() for file in (tmp_path / "made").iterdir()}
    with hub({**files, "pytorch_model.bin": b"", "modeling.py": b"raise SystemExit"}, monkeypatch) as asked:
        language_model = LanguageModel.load("hf://owner/name")
    assert language_model.model.config.preset == "qwen2"
    assert not any(path.endswith((".py", ".bin")) for path in asked)
    with (
        hub({"config.json": files["config.json"], "pytorch_model.bin": b""}, monkeypatch),
        pytest.raises(ModelError, match=r"^hf://owner/pickled has no safetensors: its weights, if any, are a pickle"),
    ):
        find_model("hf://owner/pickled")
