"""Ids in many files: what is read is what one file would hold, and what an interrupted process left whole is kept."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import groundup.tokens.write_store as writing
from groundup.errors import DataError, MachineError
from groundup.evaluation.ngram import train_ngram_model
from groundup.text.document import Document
from groundup.text.document_store import store_documents
from groundup.text.settings import DataSettings, Packing
from groundup.tokens.character import train_character_tokenizer
from groundup.tokens.fill_in_the_middle import SPECIAL_TOKENS, FillInTheMiddle
from groundup.tokens.plan import training_batch
from groundup.tokens.prepare import PreparedData, prepare
from groundup.tokens.settings import TokenizerSettings
from groundup.tokens.sharded_ids import ShardedIds
from groundup.tokens.store import TokenStore, open_shard
from groundup.tokens.tokenizer import Tokenizer
from groundup.tokens.write_store import write_store

TEXTS = [f"document {number}, {'more ' * (number % 5)}\n" for number in range(40)]
TOKENIZER = train_character_tokenizer(TEXTS, byte_fallback=True)
SMALL = 250  # tokens, about eight documents
FAILS_AT = 16


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "SHARD_TOKENS", SMALL)


@settings(max_examples=50)
@given(st.lists(st.integers(1, 7), min_size=2, max_size=6), st.data())
def test_reading_is_as_from_one_array(lengths: list[int], data: st.DataObject) -> None:
    whole = np.random.default_rng(1).integers(0, 1000, sum(lengths)).astype(np.uint16)
    ids, size = ShardedIds(np.split(whole, np.cumsum(lengths)[:-1])), sum(lengths)
    assert len(ids) == size
    assert (ids[:].tolist(), list(ids), ids.tolist(), np.asarray(ids).tolist()) == (whole.tolist(),) * 4
    place = data.draw(st.integers(-size, size - 1))
    assert ids[place] == whole[place]
    bound = st.none() | st.integers(-size - 3, size + 3)
    cut = slice(data.draw(bound), data.draw(bound), data.draw(st.sampled_from([None, 1, 2, -1])))
    assert ids[cut].tolist() == whole[cut].tolist()
    shape = data.draw(st.sampled_from([(0,), (5,), (2, 3)]))
    places = np.array(data.draw(st.lists(st.integers(-size, size - 1), min_size=6, max_size=6)))
    places = places[: int(np.prod(shape))].reshape(shape)
    found = ids[places]
    assert found.tolist() == whole[places].tolist()
    assert found.dtype == ids.dtype == whole.dtype
    for beyond in (size, -size - 1):
        with pytest.raises(IndexError, match=rf"there are {size} ids"):
            ids[np.array([0, beyond])]


def test_a_slice_within_a_shard_is_not_copied() -> None:
    first, second = np.arange(5, dtype=np.uint16), np.arange(7, dtype=np.uint16)
    assert np.shares_memory(ShardedIds([first, second])[6:9], second)
    assert ShardedIds([first, second])[3:7].tolist() == [3, 4, 0, 1]


@pytest.mark.usefixtures("small_shards")
@pytest.mark.parametrize("turned", [False, True])
def test_many_shards_hold_what_one_does(tmp_path: Path, turned: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = TOKENIZER.with_special_tokens(SPECIAL_TOKENS)
    middle = FillInTheMiddle(tokenizer, 0.5, 0.5, 16) if turned else None
    texts, groups = ["", *TEXTS, "?", ""], range(len(TEXTS) + 3)
    many = write_store(tmp_path / "many.json", texts, tokenizer, groups, middle)
    monkeypatch.setattr(writing, "SHARD_TOKENS", 10**9)
    one = write_store(tmp_path / "one.json", texts, tokenizer, groups, middle)
    assert isinstance(one.ids, np.memmap)
    assert isinstance(many.ids, ShardedIds)
    assert len(many.ids.shards) > 3
    assert many.ids.tolist() == one.ids.tolist()
    assert many.documents.tolist() == one.documents.tolist()
    same: dict[str, Any] = {"path": Path(), "ids": None, "documents": None, "documents_sha256": ""}
    assert replace(many, **same) == replace(one, **same)  # the hash of the ids among them
    assert (many.num_turned > 0) == turned
    ends = np.cumsum([len(shard) for shard in many.ids.shards])
    texts_end = many.ends[
        np.flatnonzero(np.diff(many.groups, append=len(groups)))
    ]  # a turned text is several documents
    assert set(ends.tolist()) <= set(texts_end.tolist())
    assert (np.diff(ends, prepend=0)[:-1] >= SMALL).all()
    counted = train_ngram_model(many.ids, tokenizer.vocab_size, tokenizer.end_id, order=2)
    assert (counted.losses(many.ids) == counted.losses(np.asarray(one.ids))).all()


def documents() -> list[Document]:
    return [
        Document(str(number), text, "texts", "unknown", metadata={"language": "ab"[number % 2]})
        for number, text in enumerate(TEXTS)
    ]


def prepared(folder: Path, data: DataSettings | None = None) -> PreparedData:
    store = store_documents(documents(), folder / "store")
    return prepare(store, data or DataSettings(), TokenizerSettings(), 16, 4, folder / "cache", lambda line: None)


@pytest.mark.parametrize("packing", get_args(Packing))
def test_batches_are_the_same(tmp_path: Path, packing: Packing, monkeypatch: pytest.MonkeyPatch) -> None:
    data = DataSettings(packing=packing, document_attention="own", mix_by="language", temperature=2)
    one = prepared(tmp_path / "one", data)
    monkeypatch.setattr(writing, "SHARD_TOKENS", SMALL)
    many = prepared(tmp_path / "many", data)
    assert isinstance(many.train.ids, ShardedIds)
    assert (many.train.sha256, many.plan.sha256, many.facts) == (one.train.sha256, one.plan.sha256, one.facts)
    for step in range(12):
        batches = [training_batch(of.train.ids, of.plan, 1, step, 4, of.train.ends) for of in (one, many)]
        assert batches[0].tobytes() == batches[1].tobytes()


@pytest.mark.usefixtures("small_shards")
def test_a_full_disk_leaves_what_is_whole_to_go_on_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = contents(prepared(tmp_path / "whole"))
    encoded: list[str] = []
    real = Tokenizer.encode_pieces

    def encode_pieces(tokenizer: Tokenizer, text: str) -> Iterator[Any]:
        encoded.append(text)
        if len(encoded) == FAILS_AT:
            raise OSError(28, "No space left on device")
        return real(tokenizer, text)

    monkeypatch.setattr(Tokenizer, "encode_pieces", encode_pieces)
    with pytest.raises(MachineError, match="No space left"):
        prepared(tmp_path)
    (partial,) = (tmp_path / "cache" / "prepared").glob(".*-partial")
    there = {file.name: file.stat().st_mtime_ns for file in partial.iterdir()}
    kept = [name for name in there if name.startswith("train-")]
    assert sorted(kept)[:2] == ["train-00000.documents", "train-00000.tokens"]
    assert not {"train.json", "prepared.json"} & there.keys()
    shards = [open_shard(partial / "train.json", number, verify=True) for number in range(len(kept) // 2)]
    num_kept = sum(shard.tokens.header["num_documents"] for shard in shards)
    again = prepared(tmp_path)
    assert 0 < num_kept < FAILS_AT
    assert encoded[FAILS_AT] == encoded[num_kept]  # it goes on with the first text that no whole shard holds
    assert all((again.directory / name).stat().st_mtime_ns == there[name] for name in kept)
    assert contents(again) == expected
    assert not partial.exists()


def contents(data: PreparedData) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in data.directory.iterdir()}


KILLED = """
import os, signal, sys
from pathlib import Path
import groundup.tokens.write_store as writing
from groundup.text.document_store import DocumentStore
from groundup.text.settings import DataSettings
from groundup.tokens.prepare import prepare
from groundup.tokens.settings import TokenizerSettings
folder, writing.SHARD_TOKENS = Path(sys.argv[1]), int(sys.argv[2])
write_shard = writing._write_shard
def write_one(path, number, *others):
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return write_shard(path, number, *others)
writing._write_shard = write_one
prepare(DocumentStore.open(folder / "store"), DataSettings(), TokenizerSettings(), 16, 4, folder / "cache", print)
"""


@pytest.mark.usefixtures("small_shards")
def test_a_killed_process_is_gone_on_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store_documents(documents(), tmp_path / "store")
    command = [sys.executable, "-c", KILLED, str(tmp_path), str(SMALL)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    written: list[int] = []
    write_shard = writing._write_shard

    def write_one(path: Path, number: int, *others: Any) -> Any:
        written.append(number)
        return write_shard(path, number, *others)

    monkeypatch.setattr(writing, "_write_shard", write_one)
    again = contents(prepared(tmp_path))
    assert written[0] == 2  # of the training text, whose first two were there
    assert again == contents(prepared(tmp_path / "whole"))


@pytest.mark.usefixtures("small_shards")
def test_shards_of_other_ids_are_written_anew(tmp_path: Path) -> None:
    expected = write_store(tmp_path / "a.json", TEXTS, TOKENIZER)
    ids = expected.ids.tolist()
    other = train_character_tokenizer([*TEXTS, "Ω"], byte_fallback=True)
    write_store(tmp_path / "b.json", TEXTS, other)
    assert write_store(tmp_path / "b.json", TEXTS, TOKENIZER, go_on=True).sha256 == expected.sha256
    write_store(tmp_path / "c.json", TEXTS[::-1], TOKENIZER)
    assert write_store(tmp_path / "c.json", TEXTS, TOKENIZER).sha256 == expected.sha256  # nobody asked to go on
    for kind in ("tokens", "documents"):  # whole, but of another place
        (tmp_path / f"a-00001.{kind}").write_bytes((tmp_path / f"a-00002.{kind}").read_bytes())
    assert write_store(tmp_path / "a.json", TEXTS, TOKENIZER, go_on=True).sha256 == expected.sha256
    assert TokenStore.open(tmp_path / "a.json", verify=True).ids.tolist() == ids


@pytest.mark.usefixtures("small_shards")
@pytest.mark.parametrize("kind", ["tokens", "documents"])
def test_a_damaged_or_missing_shard_is_named(tmp_path: Path, kind: str) -> None:
    write_store(tmp_path / "train.json", TEXTS, TOKENIZER)
    file = tmp_path / f"train-00002.{kind}"
    whole = file.read_bytes()
    file.write_bytes(whole[:-2] + bytes([whole[-2] ^ 1, whole[-1]]))
    with pytest.raises(DataError, match=rf"train-00002\.{kind} is damaged \(its sha256 is not the one in its header\)"):
        TokenStore.open(tmp_path / "train.json", verify=True)
    file.unlink()
    with pytest.raises(DataError, match=rf"train-00002\.{kind} cannot be read \(No such file or directory\)"):
        TokenStore.open(tmp_path / "train.json", verify=False)
    for content in (b"", b"{}", b'{"sha256": "", "shards": []}', b'{"sha256": "", "shards": 3}'):
        (tmp_path / "train.json").write_bytes(content)
        with pytest.raises(DataError, match=r"train\.json is missing or damaged: delete it"):
            TokenStore.open(tmp_path / "train.json", verify=True)
