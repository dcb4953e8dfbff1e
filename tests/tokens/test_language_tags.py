from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoTokenizer

from groundup.errors import DataError, GenerationError, SettingError
from groundup.text.document import Document
from groundup.text.document_store import store_documents
from groundup.text.settings import DataSettings
from groundup.tokens.language_tags import opening, tag_of, tagged_languages
from groundup.tokens.prepare import PreparedData, prepare
from groundup.tokens.settings import TokenizerSettings

TEXTS = {
    "de": "Guten Morgen, die Sonne scheint. ",
    "el": "Καλημέρα, ο ήλιος λάμπει. ",
    "en": "Good morning, it is sunny. ",
}
SPELLED = "He wrote <|lang_de|> and <|endoftext|> in the middle."


def prepared(cache: Path, kind: str = "bpe", **settings: object) -> PreparedData:
    documents = [
        Document(f"{language}/{number}", f"{text * 3}{number}\n", "made up", "none", metadata={"language": language})
        for language, text in TEXTS.items()
        for number in range(30)
    ]
    documents.append(Document("en/spelled", SPELLED, "made up", "none", metadata={"language": "en"}))
    fields = {"source": "made up", "mix_by": "language", "language_tags": True, "validation_fraction": 0.3, **settings}
    data, tokenizer = DataSettings(**fields), TokenizerSettings(kind, vocab_size=300)  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as folder:
        return prepare(store_documents(documents, Path(folder)), data, tokenizer, 16, 4, cache, print)


@pytest.mark.parametrize("kind", ["bpe", "character"])
@pytest.mark.parametrize("packing", ["stream", "best_fit"])
def test_each_document_opens_with_its_languages_tag(tmp_path: Path, kind: str, packing: str) -> None:
    result = prepared(tmp_path, kind, packing=packing, temperature=2.0)
    tokenizer = result.tokenizer
    assert list(tagged_languages(tokenizer)) == ["de", "el", "en"]
    for store in (result.train, result.validation):
        begins = np.concatenate([[0], store.ends[:-1]])
        tags = set(tagged_languages(tokenizer).values())
        assert sum(int(token) in tags for token in store.ids) == store.num_documents  # and nowhere else
        for begin, end, group in zip(begins, store.ends, store.groups, strict=True):
            language = ["de", "el", "en"][group]
            assert store.ids[begin] == tokenizer.token_id(tag_of(language))
            text = tokenizer.decode(store.ids[begin:end].tolist())
            assert text == SPELLED or text.startswith(TEXTS[language])
        texts = [tokenizer.decode(store.ids[b:e].tolist()) for b, e in zip(begins, store.ends, strict=True)]
        assert store.num_bytes == sum(len(text.encode()) for text in texts)
        assert store.first_piece == ""  # the first token of all, which isn't predicted, is a tag and stands for no text


def test_a_tag_in_a_text_stays_text(tmp_path: Path) -> None:
    tokenizer = prepared(tmp_path).tokenizer
    ids = tokenizer.encode(SPELLED)
    assert not set(ids) & set(tokenizer.special_tokens().values())
    assert tokenizer.decode(ids) == SPELLED
    assert tokenizer.vocab_size == 300  # the tags are within the size that was asked for


def test_transformers_knows_the_tags(tmp_path: Path) -> None:
    tokenizer = prepared(tmp_path / "cache").tokenizer
    tokenizer.save(tmp_path)
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    tag = tokenizer.token_id("<|lang_de|>")
    assert theirs.convert_tokens_to_ids("<|lang_de|>") == tag
    assert theirs.encode(SPELLED, add_special_tokens=False) == tokenizer.encode(SPELLED)
    assert theirs.decode([tag, *tokenizer.encode("Guten")], skip_special_tokens=True) == "Guten"


def test_without_the_setting_nothing_changes(tmp_path: Path) -> None:
    plain = prepared(tmp_path, language_tags=False)
    assert tagged_languages(plain.tokenizer) == {}
    tagged = prepared(tmp_path)
    assert len(tagged.train.ids) != len(plain.train.ids)  # not the other's from the cache
    with pytest.raises(GenerationError, match="'de': it was trained without language tags"):
        opening(plain.tokenizer, "de")


def test_errors() -> None:
    with pytest.raises(DataError, match="language is 'de|x', which makes no tag".replace("|", r"\|")):
        tag_of("de|x")
    with pytest.raises(SettingError, match=r"data\.language_tags.*mix_by = 'language'"):
        DataSettings(language_tags=True)
    with pytest.raises(SettingError, match=r"data\.language_tags.*fim_rate"):
        DataSettings(language_tags=True, mix_by="language", fim_rate=0.5)
