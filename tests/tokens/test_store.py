from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from groundup.errors import DataError
from groundup.tokens.array_file import DTYPES, HEADER_BYTES, open_array, write_array
from groundup.tokens.character import train_character_tokenizer
from groundup.tokens.plan import SamplePlan, make_plan
from groundup.tokens.store import TokenStore
from groundup.tokens.write_store import write_store

FILES = ["train-00000.documents", "train-00000.tokens", "train.json"]
TOKENIZER = train_character_tokenizer(["abcé\n"], byte_fallback=False)


def store(path: Path) -> TokenStore:
    return write_store(path, ["abé", "", "c?\n"], TOKENIZER)


def test_documents_one_after_the_other_each_with_its_end(tmp_path: Path) -> None:
    written = store(tmp_path / "train.json")
    ids = [*TOKENIZER.encode("abé"), 0, 0, *TOKENIZER.encode("c?\n"), 0]
    assert written.ids.tolist() == ids
    assert (written.num_bytes, written.num_documents, written.num_unknown) == (4 + 0 + 3, 3, 1)
    assert written.tokenizer_sha256 == TOKENIZER.sha256
    opened = TokenStore.open(tmp_path / "train.json", verify=True)
    assert opened.ids.tolist() == ids
    assert opened.sha256 == written.sha256
    assert isinstance(opened.ids, np.memmap)
    assert not opened.ids.flags.writeable
    assert sorted(file.name for file in tmp_path.iterdir()) == FILES


def test_the_file_is_what_its_description_says(tmp_path: Path) -> None:
    written = store(tmp_path / "train.json")
    content = (tmp_path / "train-00000.tokens").read_bytes()
    assert content[:16] == b"GROUNDUP ARRAY 1"
    header, payload = json.loads(content[16:4096]), content[4096:]
    assert header["dtype"] == "<u2"
    assert header["count"] == len(payload) // 2
    assert header["sha256"] == hashlib.sha256(payload).hexdigest() == written.sha256
    assert np.frombuffer(payload, "<u2").tolist() == written.ids.tolist()


def test_a_large_vocabulary_takes_four_bytes(tmp_path: Path) -> None:
    characters = "".join(chr(0x10000 + number) for number in range(70_000))
    tokenizer = train_character_tokenizer([characters], byte_fallback=False)
    written = write_store(tmp_path / "train.json", [characters], tokenizer)
    assert written.ids.dtype == np.dtype("<u4")
    assert tokenizer.decode(written.ids) == characters


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.integers(0, 2**16 - 1))), st.sampled_from(DTYPES))
def test_any_pieces_come_back(tmp_path_factory: pytest.TempPathFactory, pieces: list[list[int]], dtype: str) -> None:
    path = tmp_path_factory.mktemp("array") / "numbers"
    write_array(path, "numbers", dtype, [np.array(piece, np.int64) for piece in pieces], lambda: {"extra": [1]})
    file = open_array(path, "numbers", verify=True)
    assert file.array.tolist() == [number for piece in pieces for number in piece]
    assert file.header["extra"] == [1]


def test_a_failure_while_writing_leaves_what_was_there(tmp_path: Path) -> None:
    before = store(tmp_path / "train.json").sha256

    def pieces() -> Iterator[NDArray[np.int32]]:
        yield np.arange(5, dtype=np.int32)
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_array(tmp_path / "train-00000.tokens", "tokens", "<u2", pieces(), dict)
    assert sorted(file.name for file in tmp_path.iterdir()) == FILES
    assert TokenStore.open(tmp_path / "train.json", verify=True).sha256 == before


def test_each_damage_is_named(tmp_path: Path) -> None:
    path = tmp_path / "train-00000.tokens"
    store(tmp_path / "train.json")
    whole = path.read_bytes()

    def failure(content: bytes, verify: bool = False) -> str:
        path.write_bytes(content)
        with pytest.raises(DataError) as caught:
            TokenStore.open(tmp_path / "train.json", verify)
        message = str(caught.value)
        assert message.startswith(str(path))
        assert message.endswith("delete it, so that the data is prepared again")
        return message

    assert "bytes where its header says" in failure(whole[:-1])
    assert "bytes where its header says" in failure(whole + b"\0")
    assert "has a damaged header" in failure(whole[:1000])
    assert "is not a token file (it begins with b'PK" in failure(b"PK\3\4" + whole[4:])
    assert "is not a token file (it begins with b'')" in failure(b"")
    assert "has format version 2, this library reads 1" in failure(whole[:15] + b"2" + whole[16:])
    assert "has a damaged header" in failure(whole.replace(b'"<u2"', b'"<f2"'))
    assert "has a damaged header" in failure(whole.replace(b'"<u2"', b'"|O8"'))
    assert "has a damaged header" in failure(whole.replace(b'"count": 9', b'"count":-9'))
    assert "has a damaged header" in failure(whole.replace(b"num_bytes", b"num_bites"))
    assert "holds tokenz, not tokens" in failure(whole.replace(b'"tokens"', b'"tokenz"'))
    flipped = bytearray(whole)
    flipped[HEADER_BYTES + 3] ^= 1
    assert "is damaged (its sha256 is not the one in its header)" in failure(bytes(flipped), verify=True)
    path.unlink()
    with pytest.raises(DataError, match=r"train-00000\.tokens cannot be read \(No such file or directory\)"):
        TokenStore.open(tmp_path / "train.json", verify=False)


def test_a_plan_is_no_token_store(tmp_path: Path) -> None:
    store(tmp_path / "train.json")
    make_plan(100, 8).save(tmp_path / "train-00000.tokens")
    with pytest.raises(DataError, match="holds sample plan, not tokens"):
        TokenStore.open(tmp_path / "train.json", verify=True)


def test_a_plan_comes_back(tmp_path: Path) -> None:
    plan = make_plan(100, 8)
    plan.save(tmp_path / "plan")
    opened = SamplePlan.open(tmp_path / "plan", verify=True)
    assert opened.sha256 == plan.sha256
    assert (opened.sequence_length, opened.groups[0].max_shift) == (plan.sequence_length, plan.groups[0].max_shift)
    assert opened.rows.table()[0].tolist() == plan.rows.table()[0].tolist()
    content = (tmp_path / "plan").read_bytes()
    (tmp_path / "plan").write_bytes(content.replace(b"num_rows", b"num_rowz"))
    with pytest.raises(DataError, match="has a damaged header"):
        SamplePlan.open(tmp_path / "plan", verify=True)
