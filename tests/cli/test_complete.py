"""`groundup complete`: between two texts, at a place in a file, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from groundup.cli.complete import complete
from groundup.errors import SettingError
from groundup.language_model import LanguageModel
from groundup.model.directory import save_model
from groundup.model.settings import preset_config
from groundup.model.transformer import Transformer
from groundup.tokens.fill_in_the_middle import SPECIAL_TOKENS
from groundup.tokens.settings import TokenizerSettings
from groundup.tokens.train import train_tokenizer

CODE = "def f(x):\n    return x\n"


def saved_model(path: Path, special_tokens: tuple[str, ...]) -> LanguageModel:
    tokenizer = train_tokenizer([CODE], TokenizerSettings(kind="character")).with_special_tokens(special_tokens)
    torch.manual_seed(1)
    model = Transformer(preset_config("qwen3", vocab_size=tokenizer.vocab_size, d_model=16, num_layers=1, num_heads=1))
    torch.nn.init.normal_(model.token_embedding.weight, std=0.5)
    save_model(model, path, end_id=tokenizer.end_id, pad_id=tokenizer.pad_id)
    tokenizer.save(path)
    return LanguageModel.load(path)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "fills"
    saved_model(path, SPECIAL_TOKENS)
    return path


def test_a_place_in_a_file_is_what_stands_before_and_after(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "f.py"
    file.write_bytes(CODE.replace("\n", "\r\n").encode())
    before, after = "def f(x):\n    ret", "urn x\n"
    language_model, met = LanguageModel.load(model), set()
    for seed in range(6):
        complete(str(model), file=file, line=2, column=8, max_new_tokens=5, temperature=9.0, seed=seed)
        of_file = capsys.readouterr().out
        complete(str(model), prefix=before, suffix=after, max_new_tokens=5, temperature=9.0, seed=seed)
        assert capsys.readouterr().out == of_file
        assert language_model.complete(before, after, max_new_tokens=5, temperature=9.0, seed=seed) + "\n" == of_file
        met.add(of_file)
    assert len(met) > 2


def test_a_model_that_never_learned_to_fill_in_reads_what_stands_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    language_model = saved_model(tmp_path / "plain", ())
    file = tmp_path / "f.py"
    file.write_text(CODE)
    complete(str(tmp_path / "plain"), file=file, line=1, max_new_tokens=5)
    shown = capsys.readouterr()
    assert shown.out == language_model.complete("def f(x):", max_new_tokens=5) + "\n"
    assert shown.err == "groundup: the model never learned to fill in: it reads only what stands before the cursor\n"


def test_what_does_not_go_together_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="there is nothing to complete: give --prefix or --suffix, or --file"):
        complete("model")
    with pytest.raises(SettingError, match="a line and a column are a place in a file"):
        complete("model", line=3)
    with pytest.raises(SettingError, match="leave out --prefix and --suffix"):
        complete("model", prefix="def", file=tmp_path / "f.py", line=1)
    with pytest.raises(SettingError, match="say where in the file the cursor stands"):
        complete("model", file=tmp_path / "f.py")
