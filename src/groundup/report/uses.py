"""What a model is for, and what it will foreseeably be used for that it should not: what follows from how it was trained."""

from __future__ import annotations

from groundup.report.facts import RunFacts
from groundup.report.limits import SMALL


def intended_uses(facts: RunFacts) -> list[str]:
    """What the training aimed at. Whoever publishes the model knows more, and adds it."""
    texts = "texts like those it was trained on"
    aims = {
        "instruction": [f"Answering requests of the kind that its training rows hold, with {_a_person()}."],
        "preference": [
            f"Answering in the manner that the chosen answers of its training pairs show, with {_a_person()}."
        ],
    }
    found = aims.get(facts.objective, [f"Continuing {texts}, with {_a_person()}."])
    found.append(
        "Learning and research: how such a model is trained, what it learned, what it leaks and where it is biased."
    )
    if facts.base is None:
        found.append(f"Being tuned further, for a task over {texts}.")
    return found


def _a_person() -> str:
    return "a person who reads what it writes before it counts"


def foreseeable_misuse(facts: RunFacts) -> list[str]:
    """What people do with language models, and why not with this one."""
    size = facts.total_parameters
    found = [
        "As a source of facts, or of medical, legal or financial advice: it writes what is likely, not what is true.",
        "Deciding about people (work, credit, housing, insurance, courts, schools): what it learned of groups of people comes of its "
        "texts, and no figure here shows that it is fair.",
        "Writing in somebody's name, or in great numbers to deceive; what it writes should be called generated.",
        "Getting its training text back out, personal data included: the section on leakage says what was found, if anybody looked.",
    ]
    if facts.objective == "language_model":
        found.append(
            "As an assistant that people talk to: it was not taught to follow requests, nor to refuse harmful ones."
        )
    else:
        found.append(
            "Without a filter before people who may ask for anything: it was not taught to refuse harmful requests."
        )
    if size is not None and size < SMALL:
        found.append(f"For anything that a larger model does well: {size:,} parameters know little.")
    return found
