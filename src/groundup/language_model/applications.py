"""What a model that follows instructions can be asked for: each application's prompt, as messages for `LanguageModel.chat`.

    language_model.chat(sentiment("The bread was still warm."), temperature=0.0, max_new_tokens=4)

A small model understands an example better than an explanation, so most prompts are a talk in which the task was done a few times already.
"""

from __future__ import annotations

from groundup.language_model.chat import Message

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
"""(what is said, what is replied) of each application; none of them is a row that is scored."""


def sentiment(text: str) -> list[Message]:
    """Is what it says positive or negative? The reply is one of these words."""
    return _talk("sentiment", "Is this review positive or negative? Answer with one word.", text)


def entities(text: str) -> list[Message]:
    """Who and what place is named? The reply is `people: A, B; places: C`, with `none` for nothing."""
    return _talk("entities", "List the people and the places that the sentence names.", text)


def answer(text: str, question: str) -> list[Message]:
    """A question about a text. The reply is as short as it can be."""
    return _talk(
        "answering", "Answer the question with a few words of the text.", f"{text.strip()}\nQuestion: {question}"
    )


def translate(text: str) -> list[Message]:
    """From English to French."""
    return _talk("translating", "Translate from English to French.", text)


def summarize(text: str) -> list[Message]:
    """A text in one sentence."""
    return _talk("summarizing", "Summarize the text in one sentence.", text)


def _talk(name: str, instruction: str, text: str) -> list[Message]:
    messages: list[Message] = []
    for said, replied in EXAMPLES[name]:
        messages += [{"role": "user", "content": f"{instruction}\n\n{said}"}, {"role": "assistant", "content": replied}]
    return [*messages, {"role": "user", "content": f"{instruction}\n\n{text.strip()}"}]
