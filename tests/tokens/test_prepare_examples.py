"""Files of rows become stores and plans: what is kept, held out, dropped, refused, and found again in the cache."""

from __future__ import annotations

import json
import string
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from groundup.errors import DataError, SettingError
from groundup.files import sha256_file
from groundup.text.catalogue import CATALOGUE, CatalogueEntry
from groundup.text.duplicates.settings import DuplicateSettings
from groundup.text.privacy.settings import PrivacySettings
from groundup.text.settings import DataSettings
from groundup.text.texts import Text
from groundup.tokens.chat_templates import with_template
from groundup.tokens.example_facts import describe_labels
from groundup.tokens.learned_tokens import mark_pair, mark_row
from groundup.tokens.prepare_examples import prepare_examples
from groundup.tokens.prepared_examples import PreparedExamples
from groundup.tokens.prepared_facts import describe_steps
from groundup.tokens.settings import TokenizerSettings
from groundup.tokens.tokenizer import Tokenizer
from groundup.tokens.train import train_tokenizer

Row = Mapping[str, Any]
LIMIT = 60
ROWS: list[Row] = [{"instruction": f"Say {n}", "input": "", "output": str(n) * (n % 7 + 1)} for n in range(40)]
PAIRS: list[Row] = [{"prompt": f"Say {n}", "chosen": f"{n}!", "rejected": f"No {n} today"} for n in range(12)]
NO_STOP = (
    "{% for m in messages %}{{ m['role'] + ':' + m['content'] + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}"
)


def write(path: Path, rows: list[Row]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def prepared(
    tmp_path: Path,
    tokenizer: Tokenizer,
    rows: list[Row],
    objective: str = "instruction",
    batch_size: int = 4,
    said: list[str] | None = None,
    **settings: Any,
) -> PreparedExamples:
    source = str(write(tmp_path / "rows.jsonl", rows))
    data = DataSettings(**{"source": source, **settings})
    say = (lambda line: None) if said is None else said.append
    return prepare_examples(data, tokenizer, objective, LIMIT, batch_size, tmp_path / "cache", say)


def failure(tmp_path: Path, tokenizer: Tokenizer, rows: list[Row], objective: str = "instruction", **more: Any) -> str:
    with pytest.raises(DataError) as caught:
        prepared(tmp_path, tokenizer, rows, objective, **more)
    message = str(caught.value)
    assert "\n" not in message
    return message


def ids_of(result: PreparedExamples) -> set[tuple[int, ...]]:
    stores = (result.train, result.validation)
    return {tuple(store.row(number).tolist()) for store in stores for number in range(store.table.shape[1])}


def test_every_row_is_marked_and_on_one_side(tmp_path: Path, chat_tokenizer: Tokenizer) -> None:
    result = prepared(tmp_path, chat_tokenizer, ROWS, validation_fraction=0.3)
    template = result.tokenizer.chat_template
    assert template is not None
    marked = [mark_row(row, "", chat_tokenizer, template, LIMIT)[0] for row in ROWS]
    assert ids_of(result) == {tuple(row.ids) for row in marked}
    train, validation = len(result.train), len(result.validation)
    assert (train + validation, result.plan.num_rows) == (40, train)
    assert 4 < validation < 20
    facts = dict(result.facts)
    (source,) = facts.pop("sources")
    assert source.pop("sha256") == sha256_file(tmp_path / "rows.jsonl")
    assert len(source.pop("files_sha256")) == 64
    name = str(tmp_path / "rows.jsonl")
    size = (tmp_path / "rows.jsonl").stat().st_size
    assert source == {"name": name, "origin": name, "license": "unknown", "bytes": size, "documents": 40}
    assert facts["documents"] == {"train": train, "validation": validation}
    assert sum(facts["bytes"].values()) == sum(row.text_bytes for row in marked)
    assert sum(facts["tokens"].values()) == sum(len(row.ids) for row in marked)
    labels = facts["labels"]
    assert sum(labels["learned_tokens"].values()) == sum(row.learned for row in marked)
    assert labels["stop_learned"] == facts["documents"]
    assert (labels["stop"], labels["kinds"]) == ("<|im_end|>", {"conversation": 40})
    assert (facts["split"], facts["validation_fraction"], facts["steps"]["read"]) == ("prompt", 0.3, 40)
    assert describe_steps(facts) == []
    (line,) = describe_labels(facts)
    assert line.startswith(f"{train} examples to train on and {validation} held out; ")
    assert line.endswith(f"; {train} examples teach where an answer ends")


def test_batches_of_training_and_validation(tmp_path: Path, chat_tokenizer: Tokenizer) -> None:
    result = prepared(tmp_path, chat_tokenizer, ROWS, validation_fraction=0.5)
    batch = result.batch(1, 0, 4)
    assert (batch.shape[0], batch.ndim) == (4, 2)
    assert batch.dtype == np.int64
    assert (result.batch(1, 0, 4) == batch).all()
    held_out = list(result.validation_batches(4))
    assert sum(map(len, held_out)) == len(result.validation)
    assert [batch.shape[1] for batch in held_out] == sorted(batch.shape[1] for batch in held_out)
    assert sum(int((batch >= 0).sum()) for batch in held_out) == result.validation.learned.sum()
    assert sum(map(len, result.validation_batches(4, 5))) == 5
    assert sum(map(len, result.training_batches(7))) == len(result.train)
    packed = prepared(tmp_path, chat_tokenizer, ROWS, validation_fraction=0.5, batch_size=2, packing="best_fit")
    shape = packed.batch(1, 0, 2).shape
    assert shape[:2] == (2, 2)
    assert packed.plan.lengths.min() <= shape[2] <= packed.plan.lengths.max() <= LIMIT
    assert packed.plan.num_rows < len(packed.train)
    assert packed.facts["packing"]["kind"] == "best_fit"
    assert next(packed.validation_batches(4)).ndim == 2


def test_pairs(tmp_path: Path, chat_tokenizer: Tokenizer) -> None:
    rows = [*PAIRS, {"prompt": "Same?", "chosen": "Yes", "rejected": "Yes"}]
    said: list[str] = []
    result = prepared(tmp_path, chat_tokenizer, rows, "preference", packing="best_fit", said=said)
    assert result.pairs
    template = result.tokenizer.chat_template
    assert template is not None
    batch = result.batch(3, 0, 4)
    assert batch.shape[:2] == (4, 2)
    wanted = {tuple(tuple(row.ids) for row in mark_pair(row, "", chat_tokenizer, template, LIMIT)) for row in PAIRS}
    for pair in batch.tolist():
        assert pair[0][0] == pair[1][0]
        stored = [row.tolist() for row in result.train.rows_of(pair[0][0])]
        assert tuple(map(tuple, stored)) in wanted
        assert [row[1 : len(ids) + 1] for row, ids in zip(pair, stored, strict=True)] == stored
    numbers = [pair[0][0] for batch in result.training_batches(5) for pair in batch.tolist()]
    assert sorted(numbers) == list(range(len(result.train)))
    assert describe_steps(result.facts) == [
        "1 of 13 rows dropped: chosen and rejected are the same, so neither is better 1"
    ]
    assert len(result.train) + len(result.validation) == 12
    assert " pairs teach where an answer ends" in describe_labels(result.facts)[0]


def test_one_prompt_is_on_one_side(tmp_path: Path, chat_tokenizer: Tokenizer) -> None:
    rows: list[Row] = [{"prompt": f"Say {n % 10}", "completion": str(n)} for n in range(50)]
    result = prepared(tmp_path, chat_tokenizer, rows, validation_fraction=0.4)

    def prompts(store: Any) -> set[tuple[int, ...]]:
        rows = (store.row(number) for number in range(len(store)))
        return {tuple(ids[: np.flatnonzero(ids >= 0)[0]].tolist()) for ids in rows}

    assert not prompts(result.train) & prompts(result.validation)
    assert len(prompts(result.train) | prompts(result.validation)) == 10


def test_rows_of_their_own_to_hold_out(tmp_path: Path, chat_tokenizer: Tokenizer) -> None:
    write(tmp_path / "held-out.jsonl", [*ROWS[:2], {"instruction": "New", "input": "", "output": "Yes"}])
    result = prepared(tmp_path, chat_tokenizer, ROWS, validation_source=str(tmp_path / "held-out.jsonl"))
    assert (len(result.train), len(result.validation), result.facts["split"]) == (40, 3, "another source")
    assert [source["documents"] for source in result.facts["sources"]] == [40, 3]
    warning = "warning: 2 of the validation examples have a prompt that is among those trained on"
    assert describe_labels(result.facts)[1:] == [warning]
    message = failure(tmp_path, chat_tokenizer, ROWS, validation_source="nowhere.jsonl")
    assert message.startswith("data.validation_source = 'nowhere.jsonl': there is no such file")
    message = failure(tmp_path, chat_tokenizer, ROWS, validation_source=str(tmp_path / "rows.jsonl"))
    assert message.endswith(
        "rows.jsonl is in data.source and in data.validation_source: what is held out must be another text"
    )
    write(tmp_path / "held-out.jsonl", [])
    message = failure(tmp_path, chat_tokenizer, ROWS, validation_source=str(tmp_path / "held-out.jsonl"))
    assert message.startswith(f"data.validation_source has no row ({tmp_path / 'held-out.jsonl'} is empty): ")


def test_copies_are_left_out_when_asked(tmp_path: Path, chat_tokenizer: Tokenizer) -> None:
    rows = [*ROWS, *({**row, "id": "another"} for row in ROWS[:3])]
    assert sum(prepared(tmp_path, chat_tokenizer, rows).facts["documents"].values()) == 43
    result = prepared(tmp_path, chat_tokenizer, rows, duplicates=DuplicateSettings(exact=True))
    assert sum(result.facts["documents"].values()) == 40
    assert describe_steps(result.facts) == ["3 of 43 rows dropped: the same tokens as a row before 3"]


def test_long_conversations_lose_their_end_and_long_answers_their_row(
    tmp_path: Path, chat_tokenizer: Tokenizer
) -> None:
    turns = [{"role": role, "content": f"Say {n}"} for n in range(9) for role in ("user", "assistant")]
    long: list[Row] = [{"messages": turns}, {"prompt": "Say much", "completion": "much " * 80}]
    result = prepared(tmp_path, chat_tokenizer, [*ROWS, *long])
    template = result.tokenizer.chat_template
    assert template is not None
    cropped = mark_row(long[0], "", chat_tokenizer, template, LIMIT)[0]
    assert cropped.cropped > 0
    assert tuple(cropped.ids) in ids_of(result)
    assert result.facts["labels"]["cropped"] == {"rows": 1, "tokens": cropped.cropped}
    reason = f"the first question and its whole answer take more than {LIMIT} tokens"
    assert result.facts["labels"]["places"] == {
        "later exchanges left out": [f"{tmp_path / 'rows.jsonl'}, line 41"],
        reason: [f"{tmp_path / 'rows.jsonl'}, line 42"],
    }
    assert describe_steps(result.facts) == [
        f"1 of 42 rows dropped: {reason} 1",
        "of 42 rows changed: later exchanges left out 1",
    ]
    message = failure(tmp_path, chat_tokenizer, long[1:] * 3)
    advice = "mend them, or raise model.max_seq_len, up to the base's context, if they are too long"
    assert message == f"none of the 3 rows of data.source is left: {reason} (3 of them); {advice}"


def test_what_the_tokenizer_does_not_have_is_counted_and_said(tmp_path: Path) -> None:
    """By hand: of all letters it lacks z alone, which stands twice in each question and once in each answer."""
    letters = "".join(letter for letter in string.printable if letter != "z")
    tokenizer = with_template(train_tokenizer([letters], TokenizerSettings(kind="character")), "chatml", may_grow=True)
    rows: list[Row] = [{"instruction": f"Say {n} zz", "output": "z"} for n in range(20)]
    for _ in range(2):  # made, and found in the cache
        said: list[str] = []
        result = prepared(tmp_path, tokenizer, rows, said=said)
        train, held_out = len(result.train), len(result.validation)
        assert result.facts["unknown_tokens"] == {"train": 3 * train, "validation": 3 * held_out}
        assert said == [
            f"warning: {3 * train} of {len(result.train.ids)} training tokens are characters or words that the tokenizer doesn't have, "
            f"and become the unknown token, {train} of them carry loss, so the model would learn to write it; a base with "
            "tokenizer.byte_fallback = true, or one of byte pairs, would keep them"
        ]
    prepared(tmp_path, tokenizer, [{**row, "output": "s"} for row in rows], said=said)
    assert "become the unknown token; a base with" in said[-1]
    prepared(tmp_path, tokenizer, [{"instruction": f"Say {n}", "output": "s"} for n in range(20)], said=(said := []))
    assert not said


def test_a_row_that_cannot_be_used_is_named_or_left_out(tmp_path: Path, chat_tokenizer: Tokenizer) -> None:
    rows = [*ROWS[:20], {"prompt": "No answer"}, *ROWS[20:], {"messages": [{"role": "nobody", "content": "x"}]}]
    message = failure(tmp_path, chat_tokenizer, rows)
    assert message.startswith(f"{tmp_path / 'rows.jsonl'}, line 21 has 'prompt' but no 'completion'")
    assert message.endswith("leave such files and rows out, counted, with data.skip_bad=true")
    for _ in range(2):  # made, and found in the cache
        said: list[str] = []
        result = prepared(tmp_path, chat_tokenizer, rows, skip_bad=True, said=said)
        assert sum(result.facts["documents"].values()) == 40
        assert said[0] == "warning: 2 files or rows left out: unusable rows (2)"
        assert [line.partition("line ")[2][:2] for line in said[1:]] == ["21", "42"]
    message = failure(tmp_path, chat_tokenizer, [{"text": f"Once {n}"} for n in range(9)])
    assert message.startswith(
        "every row is a text without anybody's answer: training.objective = 'instruction' learns "
    )
    assert len(prepared(tmp_path, chat_tokenizer, [*ROWS, {"text": "Once upon a time"}]).train)
    message = failure(tmp_path, chat_tokenizer, ROWS, "preference")
    assert "line 1 has no 'chosen'" in message
    message = failure(tmp_path, chat_tokenizer, [{**PAIRS[0], "rejected": None}, *PAIRS], objective="preference")
    assert "line 1 has no 'rejected' (it is null)" in message


def test_texts_are_no_rows(tmp_path: Path, chat_tokenizer: Tokenizer) -> None:
    (tmp_path / "text.txt").write_text("Once upon a time")
    message = failure(tmp_path, chat_tokenizer, ROWS, source=str(tmp_path / "text.txt"))
    assert message.startswith(
        f"{tmp_path / 'text.txt'} is a text, and training.objective = 'instruction' learns from rows:"
    )
    assert message.endswith("files of rows end in .jsonl, .ndjson, .json, .csv, .tsv, .parquet, .arrow")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "README.md").write_text("What this is.")
    message = failure(tmp_path, chat_tokenizer, ROWS, source=str(folder))
    assert message.startswith(f"data.source has no row ({folder / 'README.md'} is a text, and ")
    write(folder / "train.jsonl", ROWS)
    said: list[str] = []
    result = prepared(tmp_path, chat_tokenizer, ROWS, source=str(folder), said=said)
    assert sum(result.facts["documents"].values()) == 40
    assert said[0] == "warning: 1 file or row left out: no file of rows (1)"


def test_a_text_of_the_catalogue_is_none_either(
    tmp_path: Path, chat_tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("groundup.text.sources.fetch", lambda entry, cache, say: tmp_path)
    message = failure(tmp_path, chat_tokenizer, ROWS, "preference", source="shakespeare")
    assert message.startswith("data.source = 'shakespeare' is a text of the catalogue, and training.objective = 'pref")
    assert message.endswith("; the catalogue's: spoken-questions")


def test_conversations_of_the_catalogue_are_rows(
    tmp_path: Path, chat_tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [Text(f"row {number}", "the same as plain text", row=row) for number, row in enumerate(ROWS)]
    archive = ("notes==1.2.3", "notes-1.2.3-py3-none-any.whl", "ab" * 32, "MIT")
    entry = CatalogueEntry("notes", "Notes", *archive, lambda _: texts, conversations=True)
    monkeypatch.setitem(CATALOGUE, "notes", entry)
    for module in ("sources", "source_rows"):
        monkeypatch.setattr(f"groundup.text.{module}.fetch", lambda entry, cache, say: tmp_path)
    result = prepared(tmp_path, chat_tokenizer, ROWS, source="notes")
    assert ids_of(result) == ids_of(prepared(tmp_path, chat_tokenizer, ROWS))
    [facts] = result.facts["sources"]
    assert (facts["name"], facts["license"], facts["documents"]) == ("notes", "MIT", 40)
    assert (facts["origin"], facts["archive_sha256"]) == (entry.origin, entry.sha256)


def test_what_is_refused(tmp_path: Path, chat_tokenizer: Tokenizer) -> None:
    message = failure(tmp_path, chat_tokenizer, ROWS, batch_size=41)
    assert "fewer than training.batch_size = 41: lower it, or add rows to data.source" in message
    message = failure(tmp_path, chat_tokenizer, [])
    assert message.startswith(f"data.source has no row ({tmp_path / 'rows.jsonl'} is empty): training.objective = 'ins")
    message = failure(tmp_path, chat_tokenizer, [ROWS[0]] * 6)
    assert message.startswith("nothing can be held out for validation: 6 examples of data.source with one prompt; add")
    with pytest.raises(SettingError, match=r"^data\.privacy: .*not to the rows of training\.objective = 'instruction'"):
        prepared(tmp_path, chat_tokenizer, ROWS, privacy=PrivacySettings(mode="placeholder"))
    with pytest.raises(SettingError, match=r"^data\.duplicates\.near = 'drop': near-duplicates are looked for among"):
        prepared(tmp_path, chat_tokenizer, ROWS, duplicates=DuplicateSettings(near="drop"))
    with pytest.raises(SettingError, match=r"^data\.split = 'tail': rows are held out whole, by their hash: leave it"):
        prepared(tmp_path, chat_tokenizer, ROWS, split="tail")


def test_rows_that_teach_nothing_are_refused_unless_told(tmp_path: Path, chat_tokenizer: Tokenizer) -> None:
    rows: list[Row] = [{"input_ids": [5, 6, 7 + n], "labels": [-100] * 3} for n in range(20)]
    message = failure(tmp_path, chat_tokenizer, rows)
    assert message.endswith(
        "training examples teaches anything: no token of theirs carries loss; data.check_labels=false trains all the same"
    )
    said: list[str] = []
    result = prepared(tmp_path, chat_tokenizer, rows, check_labels=False, said=said)
    assert result.plan.num_rows == len(result.train)
    assert said == [f"warning: {message.partition(';')[0]}"]
    result = prepared(tmp_path, chat_tokenizer, [*rows, *ROWS])
    assert result.plan.num_rows == len(result.train.teaching) < len(result.train)
    assert " have no token that carries loss, and are left out of training" in describe_labels(result.facts)[1]


def test_a_template_that_never_ends_an_answer_is_refused_unless_told(tmp_path: Path, chat_tokenizer: Tokenizer) -> None:
    endless = chat_tokenizer.with_config({"chat_template": NO_STOP})
    message = failure(tmp_path, endless, ROWS)
    assert message == (
        "no training example teaches where an answer ends, so the model would never stop: the tokenizer's own chat template closes "
        "none with a special token that is learned; use one that does, e.g. data.template=alpaca, which ends one with "
        "'<|endoftext|>'; data.check_labels=false trains all the same"
    )
    said: list[str] = []
    assert len(prepared(tmp_path, endless, ROWS, check_labels=False, said=said).train)
    assert said[0].startswith("warning: no training example teaches where an answer ends")
    assert len(prepared(tmp_path, endless, ROWS, template="chatml").train)


def test_ids_whose_end_is_masked_are_refused_and_those_without_one_are_not(
    tmp_path: Path, chat_tokenizer: Tokenizer
) -> None:
    end = chat_tokenizer.token_id("<|im_end|>")
    ids = [[5, 6 + number, 7, 8] for number in range(20)]
    masked: list[Row] = [{"input_ids": [*row, end], "labels": [-100, -100, *row[2:], -100]} for row in ids]
    message = failure(tmp_path, chat_tokenizer, masked)
    assert (
        "what stands behind the answers is masked, '<|im_end|>' (20); label it with its own id, not with -100"
        in message
    )
    whole: list[Row] = [{"input_ids": row, "labels": [-100, -100, *row[2:]]} for row in ids]
    facts = prepared(tmp_path, chat_tokenizer, whole).facts
    assert facts["labels"]["stop_learned"]["train"] == 0
    assert any(line.startswith("warning: none of the examples teaches where") for line in describe_labels(facts))
    assert len(prepared(tmp_path, chat_tokenizer, [*masked, {"input_ids": [5, end]}]).train)


def test_the_cache_is_used_again_and_mended(tmp_path: Path, chat_tokenizer: Tokenizer) -> None:
    first = prepared(tmp_path, chat_tokenizer, ROWS)
    facts = first.directory / "prepared.json"
    before = facts.stat().st_mtime_ns
    again = prepared(tmp_path, chat_tokenizer, ROWS, check_labels=False)
    assert (again.directory, facts.stat().st_mtime_ns) == (first.directory, before)
    assert {first.directory} == {path for path in first.directory.parent.iterdir() if path.suffix != ".lock"}
    others = [
        prepared(tmp_path, chat_tokenizer, ROWS, batch_size=5),
        prepared(tmp_path, chat_tokenizer, ROWS, packing="best_fit"),
        prepared(tmp_path, chat_tokenizer, ROWS, validation_fraction=0.2),
        prepared(tmp_path, chat_tokenizer, ROWS[:-1]),
    ]
    assert len({result.directory for result in (first, *others)}) == 5
    for name in ("train.examples", "plan.rows", "prepared.json", "tokenizer_config.json"):
        content = (first.directory / name).read_bytes()
        (first.directory / name).write_bytes(content[:-9] + b"damaged!}")
        said: list[str] = []
        assert prepared(tmp_path, chat_tokenizer, ROWS, said=said).train.sha256 == first.train.sha256
        assert said[0].startswith("warning: the prepared examples are damaged and are prepared again: ")
