"""What a small model can be asked for: each application's prompt, a text whose next line is the answer.

    language_model.generate(sentiment("The bread was still warm."), stop="\\n", temperature=0.0, max_new_tokens=4)

A small model goes on with a list of examples better than it follows an instruction, one that was taught to converse, too.
"""

from __future__ import annotations

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "sentiment": (
        ("The film was a delight from beginning to end.", "positive"),
        ("The phone stopped working after a week.", "negative"),
        ("The staff were rude and the room was dirty.", "negative"),
        ("Everyone at the table asked for a second plate.", "positive"),
    ),
    "entities": (
        ("Laura Weber and Sam moved from Hamburg to Sydney.", "people: Laura Weber, Sam; places: Hamburg, Sydney"),
        ("The Thames flows through London.", "people: none; places: Thames, London"),
        ("The singer Nina Rossi loves her dog.", "people: Nina Rossi; places: none"),
    ),
    "answering": (
        ("The mill was built in 1790. It has four sails.\nQuestion: When was the mill built?", "1790"),
        ("Ella keeps her boat in Bergen. She sails in summer.\nQuestion: Where does Ella keep her boat?", "in Bergen"),
        ("Cork floats because it is full of air.\nQuestion: Why does cork float?", "it is full of air"),
    ),
    "translating": (
        ("The dog is hungry.", "Le chien a faim."),
        ("Where do you live?", "Où habitez-vous ?"),
        ("I have bought a red hat.", "J'ai acheté un chapeau rouge."),
        ("The door is open.", "La porte est ouverte."),
    ),
    "summarizing": (
        (
            "The old cinema in Harrow Street has been empty for years. Its owner wanted to pull it down. More than two thousand people "
            "signed a letter against it. Now the town will buy the building and turn it into a theatre.",
            "The town will buy the empty cinema in Harrow Street and turn it into a theatre.",
        ),
        (
            "Cats purr when they are content. They also purr when they are hurt or afraid. Scientists think that the sound helps bones "
            "to heal.",
            "Cats purr when content, hurt or afraid, and the sound may help bones to heal.",
        ),
    ),
}
"""(what is given, what is wanted) of each application; none of them is a row that is scored."""


def sentiment(text: str) -> str:
    """Is what it says positive or negative? The answer is one of these words."""
    return _prompt("sentiment", "Review", "Sentiment", text)


def entities(text: str) -> str:
    """Who and what place is named? The answer is `people: A, B; places: C`, with `none` for nothing."""
    return _prompt("entities", "Sentence", "Names", text)


def answer(text: str, question: str) -> str:
    """A question about a text. The answer is as short as it can be."""
    return _prompt("answering", "Text", "Answer", f"{text.strip()}\nQuestion: {question}")


def translate(text: str) -> str:
    """From English to French."""
    return _prompt("translating", "English", "French", text)


def summarize(text: str) -> str:
    """A text in one sentence."""
    return _prompt("summarizing", "Text", "Summary", text)


def _prompt(name: str, given: str, wanted: str, text: str) -> str:
    shown = "".join(f"{given}: {said}\n{wanted}: {replied}\n\n" for said, replied in EXAMPLES[name])
    return f"{shown}{given}: {text.strip()}\n{wanted}:"
