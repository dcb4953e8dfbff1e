from __future__ import annotations

from groundup.text.composition import compose
from groundup.text.document import Document


def made_of(text: str, language: str = "") -> dict[str, dict[str, int]]:
    document = Document("a", text, "here", "CC0", metadata={"language": language} if language else {})
    groups = compose([document], lambda text: "fr").groups
    return {name: dict(counts) for name, counts in groups.items() if counts}


def test_words_that_name_people_are_counted_in_english_text_only() -> None:
    assert made_of("Ils sont là; son père et sa mère.") == {}  # `son` is no son
    assert made_of("Man sah den Mann.", "de-AT") == {}
    assert made_of("Her son, the man.", "en-US") == {"gender": {"female": 1, "male": 2}}
    assert made_of("The man.", "und") == {"gender": {"male": 1}}


def test_a_word_is_a_whole_word_and_a_compound_its_parts() -> None:
    text = "früher, Chinese-American and African-American women; non-binary people, a mother-in-law, He's"
    assert made_of(text, "en") == {
        "gender": {"female": 2, "male": 1, "beyond two": 1},
        "origin": {"Asian": 1, "North American": 2, "African": 1},
    }


def test_what_documents_are_made_of() -> None:
    documents = [Document(str(n), "é" * n, "a" if n < 200 else "b", "CC0") for n in (99, 100, 299, 300)]
    made = compose(documents, None)
    assert (made.documents, made.characters, made.num_bytes) == (4, 798, 1596)
    assert made.sources == {"a": 199, "b": 599}
    assert made.lengths == {"0 to 99": 1, "100 to 299": 2, "300 to 999": 1}
    assert made.languages == {"unknown": 798}
