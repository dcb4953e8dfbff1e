"""What all tests share: a cache of their own, one thread, a small text, and a tiny recipe."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

ROOT = Path(__file__).parent.parent

# A busy machine is no failure; a test that hangs is ended by pytest-timeout. The same examples each time, so that a commit that passed
# passes again; new ones are sought by  pytest -m hypothesis --hypothesis-profile search
settings.register_profile("groundup", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None)
settings.load_profile("groundup")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Nothing is read from or left in the cache of whoever runs the tests."""
    cache = tmp_path_factory.mktemp("cache")
    before = os.environ.get("GROUNDUP_CACHE")
    os.environ["GROUNDUP_CACHE"] = str(cache)
    yield cache
    if before is None:
        del os.environ["GROUNDUP_CACHE"]
    else:
        os.environ["GROUNDUP_CACHE"] = before


@pytest.fixture(scope="session", autouse=True)
def signals_are_heard() -> None:
    """Started in the background, by a script or by nohup, we would have inherited that some are ignored, and so would what we start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Several test processes share the cores; a test that trains may have set another number."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def text_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few pages of real English, 11 kB."""
    path = tmp_path_factory.mktemp("text") / "license.txt"
    path.write_text((ROOT / "LICENSE").read_text(encoding="utf-8"), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def tiny_recipe(tmp_path_factory: pytest.TempPathFactory, text_file: Path) -> Path:
    """A recipe that trains in well under a second."""
    path = tmp_path_factory.mktemp("recipes") / "tiny.toml"
    path.write_text(
        f"""
        [data]
        source = "{text_file}"
        [model]
        d_model = 16
        num_layers = 2
        num_heads = 2
        max_seq_len = 16
        dropout = 0.1
        [training]
        max_steps = 40
        batch_size = 4
        eval_steps = 10
        save_steps = 10
        logging_steps = 1
        warmup_steps = 5
        keep_checkpoints = 10
        num_threads = 1
        sample_tokens = 20
        [evaluation]
        max_tokens = 200
        """,
        encoding="utf-8",
    )
    return path


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory, text_file: Path) -> Path:
    """A small GPT-2 with random weights and a byte-pair tokenizer, as a Hugging Face directory: something to start from."""
    from groundup.model.directory import save_model
    from groundup.model.settings import preset_config
    from groundup.model.transformer import Transformer
    from groundup.tokens.byte_pair import train_byte_pair_tokenizer

    directory = tmp_path_factory.mktemp("base")
    tokenizer = train_byte_pair_tokenizer([text_file.read_text(encoding="utf-8")], 300)
    shape = {"vocab_size": tokenizer.vocab_size, "d_model": 16, "num_layers": 2, "num_heads": 2, "max_seq_len": 128}
    torch.manual_seed(3)
    save_model(Transformer(preset_config("gpt2", **shape)), directory, end_id=tokenizer.end_id, pad_id=tokenizer.pad_id)
    tokenizer.save(directory, max_length=128)
    return directory
