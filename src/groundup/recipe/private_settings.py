"""What can't be asked for beside privacy: whatever would put more of a document into a step than is counted. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from groundup.config import require

if TYPE_CHECKING:
    from groundup.recipe.settings import Recipe


def check_private(recipe: Recipe) -> None:
    """Raise `SettingError` if a row could hold more than one document, or a document be drawn otherwise than all are."""
    data = recipe.data
    if recipe.training.objective == "language_model":
        advice = "use documents with training.privacy: a row of several documents has one gradient, of which no document's part is known"
        require(data.packing == "documents", "data.packing", data.packing, advice)
        advice = "leave it out with training.privacy: the end of each document that is trained on would choose the best checkpoint"
        require(data.split != "tail", "data.split", data.split, advice)
    else:
        advice = "leave it out with training.privacy: a row of several examples has one gradient, of which nobody's part is known"
        require(data.packing != "best_fit", "data.packing", data.packing, advice)
        advice = "name a question of your own with training.privacy: the card would show one of the held-out rows'"
        require(
            recipe.training.sample_prompt.strip() != "", "training.sample_prompt", recipe.training.sample_prompt, advice
        )
    advice = "use 0 with training.privacy: the pieces of a turned document would count as documents of their own"
    require(data.fim_rate == 0, "data.fim_rate", data.fim_rate, advice)
    advice = "leave it out with training.privacy: every document has to be drawn with the same probability"
    require(not data.weights, "data.weights", data.weights, advice)
    require(data.temperature == 1, "data.temperature", data.temperature, advice)
