from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import groundup.tokens.prepare as preparing
from groundup.errors import DataError, MachineError
from groundup.text.collect import collect
from groundup.text.document import Document
from groundup.text.document_store import store_documents
from groundup.text.selection import select
from groundup.text.settings import DataSettings
from groundup.text.splits import plan_split
from groundup.tokens.plan import SamplePlan
from groundup.tokens.prepare import PreparedData, prepare, to_learn_from
from groundup.tokens.settings import TokenizerSettings
from groundup.tokens.store import TokenStore
from groundup.tokens.tokenizer import Tokenizer

TEXT = "To be, or not to be: that is the question.\n" * 20


def document(text: str, name: str = "a.txt") -> Document:
    return Document(name, text, f"texts/{name}", "unknown")


def prepared(
    cache: Path,
    *texts: str,
    byte_fallback: bool = False,
    sequence_length: int = 8,
    batch_size: int = 4,
    data: DataSettings | None = None,
    said: list[str] | None = None,
) -> PreparedData:
    documents = [document(text, f"{index}.txt") for index, text in enumerate(texts)]
    say = (lambda text: None) if said is None else said.append
    settings = TokenizerSettings(byte_fallback=byte_fallback)
    with tempfile.TemporaryDirectory() as folder:
        store = store_documents(documents, Path(folder))
        return prepare(store, data or DataSettings("texts"), settings, sequence_length, batch_size, cache, say)


def failure(cache: Path, *texts: str, sequence_length: int = 8, batch_size: int = 4) -> str:
    with pytest.raises(DataError) as caught:
        prepared(cache, *texts, sequence_length=sequence_length, batch_size=batch_size)
    message = str(caught.value)
    assert "\n" not in message
    folder = cache / "prepared"
    assert not [path for path in folder.glob("*") if path.suffix != ".lock"]  # a failure leaves nothing half-made
    return message


def test_everything_fits_together(tmp_path: Path) -> None:
    said: list[str] = []
    result = prepared(tmp_path, TEXT, "Unknown? Ω\n" * 20, said=said)
    train, validation = TEXT[:774], TEXT[774:]
    assert result.tokenizer.decode(result.train.ids[:774]) == train
    assert result.train.ids[774] == result.tokenizer.end_id
    assert result.tokenizer.decode(result.validation.ids[:86]) == validation
    assert result.train.num_bytes == len((train + ("Unknown? Ω\n" * 20)[:198]).encode())
    assert result.train.tokenizer_sha256 == result.tokenizer.sha256
    assert result.plan.sequence_length == 8
    assert result.plan.rows.table()[0][-1] + result.plan.groups[0].max_shift + 8 == len(result.train.ids) - 1
    assert said == []
    assert Tokenizer.load(result.directory).sha256 == result.tokenizer.sha256


def test_facts_for_the_manifest(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "one.txt").write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
    (tmp_path / "texts" / "two.txt").write_text("é" * 100)
    data = DataSettings(str(tmp_path / "texts"))
    result = prepare(collect(data, tmp_path, print), data, TokenizerSettings(), 8, 4, tmp_path / "cache", print)
    facts = dict(result.facts)
    (source,) = facts.pop("sources")
    assert len(bytes.fromhex(source.pop("sha256"))) == len(bytes.fromhex(source.pop("files_sha256"))) == 32
    assert source == {
        "name": str(tmp_path / "texts"),
        "origin": str(tmp_path / "texts"),
        "license": "unknown",
        "bytes": 860 + 200,
        "documents": 2,
    }
    assert facts == {
        "steps": {"read": 2, "dropped": {}, "changed": {}, "personal_data": {}},
        "documents": {"train": 2, "validation": 2},
        "bytes": {"train": 774 + 180, "validation": 86 + 20},
        "characters": {"train": 774 + 90, "validation": 86 + 10},
        "tokens": {"train": 774 + 90 + 2, "validation": 86 + 10 + 2},
        "groups": {
            "by": "source",
            "train": {str(tmp_path / "texts"): 774 + 90 + 2},
            "validation": {str(tmp_path / "texts"): 86 + 10 + 2},
        },
        "unknown_tokens": {"train": 0, "validation": 0},
        "unknown_pieces": {},
        "split": "tail",
        "validation_fraction": 0.1,
        "tokenizer": {"kind": "character", "byte_fallback": False, "vocab_size": 3 + len(set(TEXT + "é"))},
        "encoding": {},
        "validation_documents": [],
        "repairs": {"byte order marks removed": 1, "line endings normalized": 1},
    }
    assert json.loads(json.dumps(facts)) == facts


def test_whole_documents_are_held_out_by_name(tmp_path: Path) -> None:
    texts = [f"{TEXT}{number}" for number in range(12)]
    result = prepared(tmp_path, *texts, data=DataSettings("texts", 0.3), byte_fallback=True)
    held_out = result.facts["validation_documents"]
    assert result.facts["split"] == "documents"
    assert 1 <= len(held_out) <= 11
    assert result.facts["documents"] == {"train": 12 - len(held_out), "validation": len(held_out)}
    ids = result.validation.ids.tolist()
    assert sum(number == result.tokenizer.end_id for number in ids) == len(held_out)
    expected = "".join(text for number, text in enumerate(texts) if f"{number}.txt" in held_out)
    assert result.tokenizer.decode(ids) == expected


def test_the_tokenizer_learns_from_the_training_split_alone(tmp_path: Path) -> None:
    said: list[str] = []
    ending = TEXT + "ΩΩΩé"  # the last tenth is held out
    result = prepared(tmp_path, ending, said=said)
    assert result.tokenizer.encode("Ω") == [result.tokenizer.unknown_id]
    assert result.validation.num_unknown == 4
    assert result.facts["unknown_tokens"] == {"train": 0, "validation": 4}
    assert result.facts["unknown_pieces"] == {"Ω": 3, "é": 1}
    warning = (
        "warning: 4 characters of the validation text never occur in the training text and become <|unk|>: "
        "U+03A9 GREEK CAPITAL LETTER OMEGA, U+00E9 LATIN SMALL LETTER E WITH ACUTE; "
        "tokenizer.byte_fallback = true would keep them"
    )
    assert said == [warning]
    prepared(tmp_path, ending, said=said)  # said again when it is reused
    assert said == [warning] * 2

    with_bytes = prepared(tmp_path, ending, byte_fallback=True, said=said)
    assert with_bytes.tokenizer.decode(with_bytes.validation.ids).endswith("ΩΩΩé")
    assert with_bytes.validation.num_unknown == 0
    assert said == [warning] * 2


def test_many_unknown_characters_are_cut_short(tmp_path: Path) -> None:
    said: list[str] = []
    prepared(tmp_path, TEXT + "".join(chr(0x4E00 + number) for number in range(15)), said=said)
    assert said[0].startswith("warning: 15 characters")
    assert said[0].count("U+4E") == 10
    assert "U+4E09 CJK UNIFIED IDEOGRAPH-4E09 and 5 more; " in said[0]


def test_what_is_whole_is_reused(tmp_path: Path) -> None:
    first = prepared(tmp_path, TEXT)
    stamp = (first.directory / "train-00000.tokens").stat().st_mtime_ns
    again = prepared(tmp_path, TEXT, batch_size=2)
    assert again.directory == first.directory
    assert again.facts == first.facts
    assert (again.directory / "train-00000.tokens").stat().st_mtime_ns == stamp


def test_anything_that_matters_gives_another_directory(tmp_path: Path) -> None:
    results = [
        prepared(tmp_path, TEXT),
        prepared(tmp_path, TEXT + "!"),
        prepared(tmp_path, TEXT, TEXT),
        prepared(tmp_path, TEXT, sequence_length=9),
        prepared(tmp_path, TEXT, byte_fallback=True),
        prepared(tmp_path, TEXT, data=DataSettings("texts", validation_fraction=0.2)),
    ]
    assert len({result.directory for result in results}) == len(results)


@pytest.mark.parametrize("name", ["prepared.json", "train.json", "plan.windows"])
def test_what_cannot_be_read_now_is_kept(name: str, tmp_path: Path) -> None:
    """A stale handle, too many open files: here a link to itself. Nothing whole is deleted for it."""
    file = prepared(tmp_path, TEXT).directory / name
    file.rename(tmp_path / name)
    file.symlink_to(name)
    with pytest.raises(MachineError, match="Too many levels of symbolic links"):
        prepared(tmp_path, TEXT)
    (tmp_path / name).replace(file)
    said: list[str] = []
    prepared(tmp_path, TEXT, said=said)
    assert not said


@pytest.mark.parametrize(
    "name",
    [
        "prepared.json",
        "train.json",
        "train-00000.tokens",
        "train-00000.documents",
        "validation.json",
        "validation-00000.tokens",
        "validation-00000.documents",
        "plan.windows",
        "tokenizer.json",
        "tokenizer_config.json",
    ],
)
@pytest.mark.parametrize("damage", ["removed", "flipped", "truncated"])
def test_what_is_damaged_is_prepared_again(name: str, damage: str, tmp_path: Path) -> None:
    first = prepared(tmp_path, TEXT)
    whole = {file.name: file.read_bytes() for file in first.directory.iterdir()}
    file = first.directory / name
    if damage == "removed":
        file.unlink()
    elif damage == "truncated":
        file.write_bytes(whole[name][:-5])
    else:
        content = bytearray(whole[name])
        content[-4] ^= 1
        file.write_bytes(content)
    said: list[str] = []
    again = prepared(tmp_path, TEXT, said=said)
    assert len(said) == 1
    assert said[0].startswith("warning: the prepared data is damaged and is prepared again: ")
    assert str(first.directory) in said[0]
    assert {file.name: file.read_bytes() for file in again.directory.iterdir()} == whole


def test_changed_facts_are_noticed(tmp_path: Path) -> None:
    first = prepared(tmp_path, TEXT)
    file = first.directory / "prepared.json"
    file.write_text(file.read_text().replace('"unknown_tokens": {', '"unknown_tokens": {"more": 7, '))
    said: list[str] = []
    assert prepared(tmp_path, TEXT, said=said).facts == first.facts
    assert "holds files that do not belong together" in said[0]


def test_files_of_another_preparation_are_noticed(tmp_path: Path) -> None:
    first, other = prepared(tmp_path, TEXT), prepared(tmp_path, TEXT[::-1])
    whole = {file.name: file.read_bytes() for file in first.directory.iterdir()}
    for names, complaint in (
        (["train-00000.tokens"], "train-00000.documents does not belong to train-00000.tokens"),
        (
            ["train-00000.tokens", "train-00000.documents"],
            "train-00000.tokens is not the one that train.json was written",
        ),
        (["train-00000.tokens", "train-00000.documents", "train.json"], "holds files that do not belong together"),
    ):
        for name in names:
            (first.directory / name).write_bytes((other.directory / name).read_bytes())
        said: list[str] = []
        assert prepared(tmp_path, TEXT, said=said).train.sha256 == first.train.sha256
        assert complaint in said[0]
        assert {file.name: file.read_bytes() for file in first.directory.iterdir()} == whole


PREPARE = """
import sys
import tempfile
from pathlib import Path
from groundup.text.document import Document
from groundup.text.document_store import store_documents
from groundup.text.settings import DataSettings
from groundup.tokens.prepare import prepare
from groundup.tokens.settings import TokenizerSettings
assert "torch" not in sys.modules
documents = [Document("a", "To be, or not to be.\\n" * 20000, "a", "unknown")]
sys.stdin.readline()
with tempfile.TemporaryDirectory() as folder:
    store = store_documents(documents, Path(folder))
    result = prepare(store, DataSettings("a"), TokenizerSettings(), 8, 4, Path(sys.argv[1]), print)
print(result.train.sha256)
"""


def test_processes_that_prepare_the_same_at_once_all_succeed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PREPARE, str(tmp_path)]
    workers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    answers = [worker.communicate()[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0, 0]
    assert len(set(answers)) == 1
    assert len(answers[0].splitlines()) == 1  # no word of damage
    assert sorted(path.suffix for path in (tmp_path / "prepared").iterdir()) == ["", ".lock"]


@pytest.mark.parametrize("damaged", ["train-00000.tokens", "train.json", "tokenizer_config.json", "plan.windows"])
def test_what_a_killed_process_left_is_taken_only_where_it_is_whole(damaged: str, tmp_path: Path) -> None:
    first = prepared(tmp_path, TEXT)
    whole = {file.name: file.read_bytes() for file in first.directory.iterdir()}
    leftover = first.directory.with_name(f".{first.directory.name}-partial")
    os.rename(first.directory, leftover)
    (leftover / damaged).write_bytes(b"half")
    again = prepared(tmp_path, TEXT)
    assert {file.name: file.read_bytes() for file in again.directory.iterdir()} == whole
    assert not leftover.exists()


def test_an_unwritable_cache_is_named(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(MachineError, match=r"cache/prepared/.* cannot be written \(.*GROUNDUP_CACHE"):
        prepared(tmp_path / "cache", TEXT)


def test_no_text_and_one_character(tmp_path: Path) -> None:
    assert failure(tmp_path, "x") == ("the text has 1 character, too few to hold any out: add text to data.source")
    assert failure(tmp_path) == ("the text has 0 characters, too few to hold any out: add text to data.source")


def test_text_shorter_than_a_window(tmp_path: Path) -> None:
    message = failure(tmp_path, "a" * 110, sequence_length=256, batch_size=8)
    assert message == (
        "model.max_seq_len = 256 is longer than the training text's 100 tokens: "
        "use a value of at most 12, of which it fills a batch (training.batch_size = 8), or add text to data.source"
    )
    assert prepared(tmp_path, "a" * 110, sequence_length=12, batch_size=8).plan.num_rows == 7  # and a shift
    assert prepared(tmp_path, "a" * 110, sequence_length=99, batch_size=1).plan.num_rows == 1


def test_text_shorter_than_a_batch(tmp_path: Path) -> None:
    text = "a" * 222  # 199 to train on, and the end token
    with pytest.raises(DataError) as caught:
        prepared(tmp_path, text, batch_size=25)
    assert str(caught.value) == (
        "the training text's 200 tokens are fewer than one batch of 201 (training.batch_size = 25 times "
        "model.max_seq_len = 8, plus 1): lower one of the two, or add text to data.source"
    )
    assert len(prepared(tmp_path, text, batch_size=24).train.ids) == 200


def test_an_empty_validation_split(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"the validation split .* is empty: .*data\.split=tail"):
        prepared(tmp_path, TEXT, data=DataSettings("texts", split="documents"))


def test_a_lone_surrogate_in_a_text(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"document '0.txt', holds U\+D800, half of a surrogate pair"):
        prepared(tmp_path, TEXT + "\ud800")


def test_stores_open_from_their_files(tmp_path: Path) -> None:
    result = prepared(tmp_path, TEXT)
    assert TokenStore.open(result.directory / "train.json", verify=True).sha256 == result.train.sha256
    assert SamplePlan.open(result.directory / "plan.windows", verify=True).sha256 == result.plan.sha256


def test_unknown_words_are_told_with_what_they_hide(tmp_path: Path) -> None:
    said: list[str] = []
    text = (
        "one two " * 1000 + "three four " * 80
    )  # the tail holds all of the last two words, and the training text none
    settings = TokenizerSettings(kind="word", vocab_size=100)
    store = store_documents([document(text)], tmp_path / "store")
    data = prepare(store, DataSettings(split="tail"), settings, 8, 2, tmp_path, said.append)
    assert data.facts["unknown_pieces"] == {"four": 80, "three": 80}
    assert data.facts["tokenizer"] == {"kind": "word", "min_frequency": 2, "vocab_size": 3 + 3}
    (warning,) = said
    assert warning.startswith("warning: 160 of the validation text's")
    assert "'four', 'three'. Nobody has to spell these, so loss and bits per byte look better than they are" in warning


def test_a_large_text_is_learned_from_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    documents = [document(f"{number} " * 100, f"{number}.txt") for number in range(400)]
    store = store_documents(documents, tmp_path)
    split = plan_split(store, select(store, DataSettings().duplicates), DataSettings("texts", 0.1))
    words = TokenizerSettings(kind="word", vocab_size=100)
    everything = list(to_learn_from(store, split, words))
    assert everything == list(split.train_documents(store))
    characters = sum(len(document.text) for document in everything)
    monkeypatch.setattr(preparing, "LEARNED_CHARACTERS", characters // 4)
    some = list(to_learn_from(store, split, words))
    assert 60 < len(some) < 125  # 90 expected of 360; four standard deviations are 33
    assert all(document in everything for document in some)
    assert list(to_learn_from(store, split, TokenizerSettings())) == everything  # each different character is needed
