"""What there is to exercise, in the order of the course. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from groundup.errors import LearnError


@dataclass(frozen=True)
class Exercise:
    """One exercise: `stubs/<name>.py` is handed out, `checks/<name>.py` looks at what became of it."""

    name: str
    title: str
    chapter: str
    """The chapter that tells of it: a file in docs/tutorial."""
    wanted: tuple[str, ...]
    """The functions or classes that are to be written."""


EXERCISES = (
    Exercise("attention", "how a token looks at others", "02-attention-and-the-transformer.md", ("attention",)),
    Exercise(
        "causal_mask", "no peeking at what comes", "03-language-modelling-and-causal-masking.md", ("causal_mask",)
    ),
    Exercise(
        "cross_entropy", "what a prediction costs", "03-language-modelling-and-causal-masking.md", ("cross_entropy",)
    ),
    Exercise("sampling", "temperature, top-k, top-p", "06-generation.md", ("next_token_probabilities",)),
    Exercise("byte_pair", "joining the commonest neighbours", "07-tokenization.md", ("most_common_pair", "merge")),
    Exercise("lora", "a few numbers beside a frozen layer", "10-lora-instructions-preferences.md", ("LoraLinear",)),
    Exercise("perplexity", "how many tokens a model hesitates between", "11-evaluation.md", ("perplexity",)),
    Exercise("clip_and_noise", "a gradient that tells of nobody", "14-ethics-and-safety.md", ("private_gradient",)),
)


def find_exercise(name: str) -> Exercise:
    """The exercise of that name. Raises `LearnError` with the names there are."""
    import difflib

    names = [exercise.name for exercise in EXERCISES]
    if name in names:
        return EXERCISES[names.index(name)]
    near = difflib.get_close_matches(name.replace("-", "_"), names, 1)
    advice = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
    raise LearnError(f"no exercise is called {name!r}: {advice}")
