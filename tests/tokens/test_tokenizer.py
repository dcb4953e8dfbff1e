from __future__ import annotations

import json
from pathlib import Path

import pytest
import tokenizers
from tokenizers import AddedToken, decoders, models, pre_tokenizers, processors, trainers

from groundup.errors import TokenizerError
from groundup.tokens.character import train_character_tokenizer
from groundup.tokens.tokenizer import Tokenizer

TEXTS = ["To be, or not to be: that is the question.\n", "Who's there? Nay, answer me.\n"] * 20


def byte_level_bpe(directory: Path) -> tokenizers.Tokenizer:
    """A tokenizer as others make them: byte-level BPE with merges, and a post-processor that puts <s> first."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.add_special_tokens([AddedToken("<pad>", special=True)])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    tokenizer.enable_truncation(4)  # as some directories leave it; a text must not be cut silently
    tokenizer.model.dropout = 0.5  # nor by chance
    tokenizer.save(str(directory / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.model.dropout = None
    return tokenizer


def write_json(path: Path, values: object) -> None:
    path.write_text(json.dumps(values))


def test_save_and_load_keep_everything(tmp_path: Path) -> None:
    tokenizer = train_character_tokenizer(["hello\n wörld"], byte_fallback=True)
    tokenizer.save(tmp_path, max_length=256)
    loaded = Tokenizer.load(tmp_path)
    assert loaded.sha256 == tokenizer.sha256
    assert (loaded.end_id, loaded.unknown_id, loaded.pad_id, loaded.vocab_size) == (0, 1, 2, tokenizer.vocab_size)
    assert loaded.encode("hello wörld €") == tokenizer.encode("hello wörld €")
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert config == {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "<|endoftext|>",
        "unk_token": "<|unk|>",
        "pad_token": "<|pad|>",
        "clean_up_tokenization_spaces": False,
        "model_input_names": ["input_ids", "attention_mask"],
        "split_special_tokens": True,
        "model_max_length": 256,
    }
    before = [(file.name, file.read_bytes()) for file in sorted(tmp_path.iterdir())]
    loaded.save(tmp_path)
    assert [(file.name, file.read_bytes()) for file in sorted(tmp_path.iterdir())] == before


def test_a_tokenizer_made_by_others(tmp_path: Path) -> None:
    library = byte_level_bpe(tmp_path)
    config = {"eos_token": {"content": "</s>"}, "pad_token": "<pad>", "tokenizer_class": "TokenizersBackend", "x": 1}
    write_json(tmp_path / "tokenizer_config.json", config)
    tokenizer = Tokenizer.load(tmp_path)
    assert (tokenizer.end_id, tokenizer.pad_id, tokenizer.unknown_id) == (1, library.token_to_id("<pad>"), None)
    assert tokenizer.vocab_size == library.get_vocab_size()
    for text in [*TEXTS[:2], "Ünknown 世界 😀", ""]:
        assert tokenizer.encode(text) == library.encode(text).ids
        assert tokenizer.decode(tokenizer.encode(text)) == text
        assert tokenizer.encode(text, whole=False) == library.encode(text).ids[1:]
        assert tokenizer.encode_batch([text, "a"]) == [library.encode(text).ids, library.encode("a").ids]
        assert [list(piece) for piece in tokenizer.encode_pieces(text)] == ([library.encode(text).ids] if text else [])
    assert 1 not in tokenizer.encode("</s>")
    with pytest.raises(TokenizerError, match=r"character 0 of the text is U\+DC00"):
        tokenizer.encode("\udc00")
    (tmp_path / "again").mkdir()
    tokenizer.save(tmp_path / "again")
    saved = json.loads((tmp_path / "again" / "tokenizer_config.json").read_text())
    assert saved == config | {"tokenizer_class": "PreTrainedTokenizerFast"}
    assert (tmp_path / "again" / "tokenizer.json").read_bytes() == (tmp_path / "tokenizer.json").read_bytes()


def test_special_tokens_are_found_in_the_older_places(tmp_path: Path) -> None:
    pad_id = byte_level_bpe(tmp_path).token_to_id("<pad>")
    assert Tokenizer.load(tmp_path).end_id is None
    write_json(tmp_path / "config.json", {"eos_token_id": [1, 0], "pad_token_id": None})
    assert (Tokenizer.load(tmp_path).end_id, Tokenizer.load(tmp_path).pad_id) == (1, None)
    write_json(tmp_path / "special_tokens_map.json", {"eos_token": "<s>", "pad_token": {"content": "<pad>"}})
    assert (Tokenizer.load(tmp_path).end_id, Tokenizer.load(tmp_path).pad_id) == (0, pad_id)
    write_json(tmp_path / "tokenizer_config.json", {"eos_token": "</s>"})
    assert (Tokenizer.load(tmp_path).end_id, Tokenizer.load(tmp_path).pad_id) == (1, pad_id)


def test_several_end_tokens_are_found_and_kept(tmp_path: Path) -> None:
    pad_id = byte_level_bpe(tmp_path).token_to_id("<pad>")
    write_json(tmp_path / "tokenizer_config.json", {"eos_token": "</s>", "bos_token": "<s>"})
    write_json(tmp_path / "config.json", {"eos_token_id": [1, pad_id]})
    assert Tokenizer.load(tmp_path).end_ids == (1, pad_id)
    write_json(tmp_path / "generation_config.json", {"eos_token_id": [-1, 0, 9999, pad_id, 1]})  # says it first
    found = Tokenizer.load(tmp_path)
    assert (found.end_id, found.begin_id, found.end_ids) == (1, 0, (1, 0, pad_id))
    (tmp_path / "alone").mkdir()
    found.with_config({"x": 1}).save(tmp_path / "alone")  # without the model's configurations
    alone = Tokenizer.load(tmp_path / "alone").with_special_tokens(["<|more|>"])
    assert (alone.end_id, alone.begin_id, alone.end_ids) == (1, 0, (1, 0, pad_id))
    write_json(tmp_path / "generation_config.json", {"temperature": 0.5})
    write_json(tmp_path / "config.json", {"eos_token_id": -1})
    assert Tokenizer.load(tmp_path).end_ids == (1,)
    (tmp_path / "tokenizer_config.json").unlink()
    nothing = Tokenizer.load(tmp_path)
    assert (nothing.end_id, nothing.begin_id, nothing.end_ids) == (None, None, ())


@pytest.mark.parametrize("value", ["2", [1, [2]], [True], 1.5, {"a": 1}])
def test_an_end_token_that_is_no_number_is_named(value: object, tmp_path: Path) -> None:
    byte_level_bpe(tmp_path)
    write_json(tmp_path / "generation_config.json", {"eos_token_id": value})
    with pytest.raises(
        TokenizerError, match=r"generation_config.json: eos_token_id = .* should be a token's number, a list"
    ):
        Tokenizer.load(tmp_path)
    (tmp_path / "generation_config.json").unlink()
    write_json(tmp_path / "tokenizer_config.json", {"other_end_tokens": value})
    with pytest.raises(
        TokenizerError, match=r"tokenizer_config.json: other_end_tokens = .* should be a list of tokens"
    ):
        Tokenizer.load(tmp_path)


def test_a_special_token_that_does_not_exist_is_named(tmp_path: Path) -> None:
    byte_level_bpe(tmp_path)
    write_json(tmp_path / "tokenizer_config.json", {"eos_token": "<|im_end|>"})
    with pytest.raises(TokenizerError, match=r"eos_token = '<\|im_end\|>' is not in tokenizer.json"):
        Tokenizer.load(tmp_path)


def test_directories_without_a_tokenizer(tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match=r"holds no tokenizer\.json: name a model directory"):
        Tokenizer.load(tmp_path)
    (tmp_path / "tokenizer.model").write_bytes(b"\x00")
    with pytest.raises(TokenizerError, match=r"holds tokenizer\.model but no tokenizer\.json: convert it"):
        Tokenizer.load(tmp_path)
    with pytest.raises(TokenizerError, match=r"nowhere is not a folder: name one with a tokenizer\.json in it"):
        Tokenizer.load(tmp_path / "nowhere")


@pytest.mark.parametrize("content", [b"", b"\xff", b"{}", b"[]", b'{"model": {"type": "BPE"}}', b"not json"])
def test_corrupt_tokenizers_are_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(TokenizerError, match=r"tokenizer\.json is not a tokenizer .*: save it again") as caught:
        Tokenizer.load(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_byte_pairs_that_spell_everything_have_no_unknown_token(tmp_path: Path) -> None:
    """GPT-2's configuration names its end token as the unknown one, too: a text's ends are no unknown characters."""
    byte_level_bpe(tmp_path)
    write_json(tmp_path / "tokenizer_config.json", {"eos_token": "</s>", "unk_token": "</s>"})
    loaded = Tokenizer.load(tmp_path)
    assert loaded.unknown_id is None
    assert loaded.with_config({"unk_token": "</s>"}).unknown_id is None
    assert loaded.end_id == loaded.token_id("</s>")


def test_memory_that_is_refused_says_nothing_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train_character_tokenizer(["abc"], byte_fallback=False).save(tmp_path)
    monkeypatch.setattr("groundup.tokens.code_points.NUM_CODE_POINTS", 1 << 60)
    with pytest.raises(MemoryError):
        Tokenizer.load(tmp_path)


def test_a_truncated_tokenizer_is_named(tmp_path: Path) -> None:
    train_character_tokenizer(["abc"], byte_fallback=False).save(tmp_path)
    content = (tmp_path / "tokenizer.json").read_bytes()
    (tmp_path / "tokenizer.json").write_bytes(content[: len(content) // 2])
    with pytest.raises(TokenizerError, match=r"tokenizer\.json is not a tokenizer"):
        Tokenizer.load(tmp_path)


def test_corrupt_configurations_are_named(tmp_path: Path) -> None:
    train_character_tokenizer(["abc"], byte_fallback=False).save(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text("{")
    with pytest.raises(TokenizerError, match=r"tokenizer_config\.json is not JSON .*: save the tokenizer again"):
        Tokenizer.load(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text("[]")
    with pytest.raises(TokenizerError, match=r"tokenizer_config\.json is not a JSON object"):
        Tokenizer.load(tmp_path)


def test_ids_outside_the_vocabulary() -> None:
    tokenizer = train_character_tokenizer(["abc"], byte_fallback=False)
    assert tokenizer.decode([3, 10_000, 4]) == "ab"
    with pytest.raises(TokenizerError, match="id -1 is negative"):
        tokenizer.decode([3, -1])


@pytest.mark.parametrize(
    "change",
    [
        {"fuse_unk": True},
        {"merges": [["a", "b"]], "vocab": {"<|unk|>": 0, "a": 1, "b": 2, "ab": 3}},
        {"unk_token": None},
        {"ignore_merges": True, "vocab": {"<|unk|>": 0, "a": 1, "b": 2, "aab": 3}},
        {"byte_fallback": True},
    ],
)
def test_tokenizers_that_are_nearly_plain_are_left_to_the_library(change: dict[str, object]) -> None:
    """Each differs in one thing from a character tokenizer, and gives other ids for some text."""
    description = json.loads(train_character_tokenizer(["ab"], byte_fallback=False)._json)
    description["added_tokens"] = []
    description["model"].update({"vocab": {"<|unk|>": 0, "a": 1, "b": 2}} | change)
    tokenizer = Tokenizer(json.dumps(description).encode(), {}, {})
    assert tokenizer._table is None
    library = tokenizers.Tokenizer.from_str(json.dumps(description))
    for text in ["ab", "aab", "xxyb", "é"]:
        assert tokenizer.encode(text) == library.encode(text).ids


def test_a_normalizer_is_left_to_the_library() -> None:
    description = json.loads(train_character_tokenizer(["ab"], byte_fallback=False)._json)
    description["normalizer"] = {"type": "Lowercase"}
    tokenizer = Tokenizer(json.dumps(description).encode(), {}, {})
    assert tokenizer.encode("AB") == [3, 4]
