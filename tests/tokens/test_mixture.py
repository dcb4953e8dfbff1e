"""Shares: the formulas, and plans of real stores that keep to them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.config import write_toml
from groundup.errors import DataError, SettingError, TokenizerError
from groundup.recipe.settings import load_recipe
from groundup.text.document import Document
from groundup.text.document_store import store_documents
from groundup.text.settings import DataSettings, Packing
from groundup.tokens.mixture import describe, rows_by_share, shares_by_temperature, wanted_shares
from groundup.tokens.packing import PackedRows
from groundup.tokens.plan import training_batch
from groundup.tokens.prepare import PreparedData, prepare, require_end
from groundup.tokens.settings import TokenizerSettings
from groundup.tokens.tokenizer import Tokenizer

BY_LANGUAGE: dict[str, Any] = {"mix_by": "language", "split": "tail"}


def rows(language: str, count: int, source: str = "texts", length: int = 30) -> list[Document]:
    sign = language[0]
    return [
        Document(
            f"{language}-{number}", sign * (length + number % 7), source, "unknown", metadata={"language": language}
        )
        for number in range(count)
    ]


def prepared(folder: Path, documents: Sequence[Document], data: DataSettings) -> PreparedData:
    store = store_documents(documents, folder / "store")
    return prepare(store, data, TokenizerSettings(), 8, 4, folder / "cache", lambda line: None)


def epoch(data: PreparedData) -> np.ndarray:
    length = sum(group.drawn for group in data.plan.groups)
    return training_batch(data.train.ids, data.plan, 1, 0, length)


def test_shares_by_temperature() -> None:
    assert shares_by_temperature(np.array([900, 100]), 1).tolist() == pytest.approx([0.9, 0.1])
    assert shares_by_temperature(np.array([900, 100]), 2).tolist() == pytest.approx([0.75, 0.25])  # 30 and 10
    assert shares_by_temperature(np.array([900, 100]), 100).tolist() == pytest.approx([0.5, 0.5], abs=0.01)


@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=20), st.integers(0, 10_000))
def test_each_share_is_met_within_one_row(parts: list[float], total: int) -> None:
    shares = np.array(parts) / sum(parts)
    found = rows_by_share(shares, total)
    assert found.sum() == total
    assert (abs(found - shares * total) < 1 + 1e-6).all()


def test_weights_name_every_group() -> None:
    sizes = {"de": 30, "en": 70}
    assert wanted_shares(sizes, DataSettings(weights={"en": 1, "de": 3})).tolist() == [0.75, 0.25]
    with pytest.raises(SettingError, match=r"data\.weights = .*no training text is of source 'dex'; did you mean de\?"):
        wanted_shares(sizes, DataSettings(weights={"dex": 1, "en": 1}))
    with pytest.raises(SettingError, match=r"no training text is of source 'x'; there are: de, en"):
        wanted_shares(sizes, DataSettings(weights={"x": 1}))
    with pytest.raises(SettingError, match=r"give a weight for each source; missing: de"):
        wanted_shares(sizes, DataSettings(weights={"en": 1}))


@pytest.mark.parametrize("packing", get_args(Packing))
def test_languages_by_temperature(tmp_path: Path, packing: Packing) -> None:
    documents = rows("a", 60) + rows("b", 15) + rows("a", 3)  # languages that don't lie together
    data = prepared(tmp_path, documents, DataSettings(**BY_LANGUAGE, temperature=2, packing=packing))
    tokens = data.facts["groups"]["train"]
    expected = tokens["b"] ** 0.5 / (tokens["a"] ** 0.5 + tokens["b"] ** 0.5)
    batch = epoch(data)
    targets, b = batch[:, 1:], data.tokenizer.encode("b")[0]
    rows_of_b = (np.where(batch < 0, -1, batch) == b).any(axis=1)
    share = (targets[rows_of_b] >= 0).sum() / (targets >= 0).sum()
    assert share == pytest.approx(expected, abs=2 / len(batch))  # within one row, which is taken from the other
    mixture = data.facts["mixture"]["groups"]
    assert mixture["b"]["share"] == pytest.approx(share, abs=0.02)
    assert mixture["b"]["times_an_epoch"] > 1 > mixture["a"]["times_an_epoch"]
    assert describe(data.facts)[-1].startswith("training text by language: a 6")
    a = data.tokenizer.encode("a")[0]
    assert not ((batch == a).any(axis=1) & (batch == b).any(axis=1)).any()  # no window reaches into another language


def test_sources_by_weight(tmp_path: Path) -> None:
    documents = rows("a", 20, "one") + rows("b", 20, "two")
    data = prepared(tmp_path, documents, DataSettings(("one", "two"), weights={"one": 1, "two": 3}))
    shares = [group["share"] for group in data.facts["mixture"]["groups"].values()]
    assert shares == pytest.approx([0.25, 0.75], abs=1 / data.plan.num_rows)
    assert data.facts["mixture"]["by"] == "source"


def test_a_mixture_as_it_is_changes_nothing(tmp_path: Path) -> None:
    documents = rows("a", 12) + rows("b", 12)
    plain = prepared(tmp_path / "plain", documents, DataSettings())
    by_language = prepared(tmp_path / "language", documents, DataSettings(mix_by="language"))
    assert by_language.plan.sha256 == plain.plan.sha256
    assert by_language.train.sha256 == plain.train.sha256
    assert by_language.facts["groups"]["by"] == "language"
    assert by_language.facts["groups"]["train"].keys() == {"a", "b"}
    assert sum(by_language.facts["groups"]["train"].values()) == len(plain.train.ids)
    assert "mixture" not in by_language.facts


def test_too_little_of_a_language_is_named(tmp_path: Path) -> None:
    documents = rows("a", 30) + rows("b", 1, length=6)
    with pytest.raises(
        DataError, match=r"the training text of 'b' has 6 tokens, too few for a window of model.max_seq_len = 8 and"
    ):
        prepared(tmp_path, documents, DataSettings(**BY_LANGUAGE, temperature=2))
    packed = prepared(tmp_path, documents, DataSettings(**BY_LANGUAGE, temperature=2, packing="best_fit"))
    assert packed.facts["mixture"]["groups"]["b"]["times_an_epoch"] > 1


def test_no_language_is_known(tmp_path: Path) -> None:
    documents = [Document(str(number), "text " * 20, "texts", "unknown") for number in range(3)]
    with pytest.raises(DataError, match=r"data\.mix_by = 'language', and no document says which language it is in"):
        prepared(tmp_path, documents, DataSettings(mix_by="language"))


def test_packing_tells_what_it_loses(tmp_path: Path) -> None:
    documents = [
        Document(str(number), "x" * length, "texts", "unknown") for number, length in enumerate([6, 6, 3, 3, 40, 3])
    ]
    settings = DataSettings(split="tail", validation_fraction=0.01, packing="best_fit")
    data = prepared(tmp_path, documents, settings)
    # With their ends: 6, 6, 3, 3, 40, 3 tokens (a character of each is held out); 40 makes 5 full rows, 6 + nothing, 6, 3 + 3, 3.
    assert isinstance(data.plan.rows, PackedRows)
    assert data.facts["packing"] == {
        "kind": "best_fit",
        "rows": 9,
        "padding_share": pytest.approx(1 - 61 / 72),
        "cut_documents_share": pytest.approx(1 / 6),
    }
    assert describe(data.facts) == [
        "best-fit packing: 9 rows, 15.28% of them padding; 16.67% of the documents are longer than a row, and go on in further ones"
    ]
    with pytest.raises(
        DataError, match=r"the training text makes 9 rows, fewer than training.batch_size = 10: lower it"
    ):
        prepare(
            store_documents(documents, tmp_path / "x"), settings, TokenizerSettings(), 8, 10, tmp_path / "cache", print
        )


def test_a_tokenizer_without_an_end_cannot_keep_documents_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = prepared(tmp_path, rows("a", 12), DataSettings())
    config = data.directory / "tokenizer_config.json"
    config.write_text(config.read_text().replace("eos_token", "no_token"))
    tokenizer = Tokenizer.load(data.directory)
    assert tokenizer.end_id is None
    for name, asked in (
        ("data.packing = 'best_fit'", DataSettings(packing="best_fit")),
        ("data.packing = 'documents'", DataSettings(packing="documents")),
        ("data.document_attention = 'own'", DataSettings(document_attention="own")),
        ("data.fim_rate", DataSettings(fim_rate=0.5)),
    ):
        with pytest.raises(TokenizerError) as caught:
            require_end(tokenizer, asked)
        assert str(caught.value).startswith(f"{name} needs a tokenizer with a token that ends a text")
    require_end(tokenizer, DataSettings())


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"temperature": 0.5}, "data.temperature = 0.5: use a number from 1"),
        ({"temperature": 2, "weights": {"a": 1}}, "data.temperature = 2: leave it out, or data.weights"),
        ({"weights": {"a": -1}}, "data.weights = -1: use a finite number above 0"),
        ({"fim_rate": 1.5}, "data.fim_rate = 1.5: use a share from 0 to 1"),
        ({"fim_suffix_first_rate": -0.1}, "data.fim_suffix_first_rate = -0.1: use a share"),
    ],
)
def test_settings_that_make_no_sense(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError) as caught:
        DataSettings(**asked)
    assert str(caught.value).startswith(message)


def test_nothing_is_said_of_what_is_plain() -> None:
    assert describe({"split": "tail"}) == []


def test_weights_are_a_table_in_a_recipe_and_on_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text('[data]\nsource = ["a.txt", "b/*.txt"]\n[data.weights]\n"a.txt" = 1\n"b/*.txt" = 2.5\n')
    recipe = load_recipe(str(file))
    assert recipe.data.weights == {"a.txt": 1, "b/*.txt": 2.5}
    file.write_text(write_toml(recipe))
    assert load_recipe(str(file)) == recipe
    asked = load_recipe(str(file), ["data.weights={'a.txt' = 4}", "data.packing=best_fit"])
    assert asked.data.weights == {"a.txt": 4}, "else those of a recipe's sources could never be left out"
    assert asked.data.packing == "best_fit"
    for value in ("often", "[1, 2]", "{a = 'much'}"):
        with pytest.raises(SettingError, match=r"^data\.weights = .*this should be"):
            load_recipe(str(file), [f"data.weights={value}"])
