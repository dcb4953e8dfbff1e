"""Groundup: train your own language model, from the ground up.

In Python:

    import groundup as gu
    run = gu.train("shakespeare", {"training.max_steps": 500})
    lm = gu.load("runs/shakespeare")
    lm.generate("ROMEO:", max_new_tokens=100, temperature=0.8, seed=1)
    gu.evaluate(lm, data="my-text.txt")
    gu.audit("runs/shakespeare", only=["extraction"])
    gu.verify("runs/shakespeare")
    gu.export(lm, "gguf", "shakespeare-gguf", quantize="int8")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from groundup.errors import GroundupError
    from groundup.language_model import LanguageModel, load
    from groundup.recipe.audit import audit
    from groundup.recipe.evaluate import evaluate
    from groundup.recipe.export import export
    from groundup.recipe.fine_tune import fine_tune_pretrained_model
    from groundup.recipe.train import train
    from groundup.recipe.verify import verify

__version__ = "0.1.0"
__all__ = [
    "GroundupError",
    "LanguageModel",
    "audit",
    "evaluate",
    "export",
    "fine_tune_pretrained_model",
    "load",
    "train",
    "verify",
]

_HOMES = {
    "GroundupError": "groundup.errors",
    "LanguageModel": "groundup.language_model",
    "audit": "groundup.recipe.audit",
    "evaluate": "groundup.recipe.evaluate",
    "export": "groundup.recipe.export",
    "fine_tune_pretrained_model": "groundup.recipe.fine_tune",
    "load": "groundup.language_model",
    "train": "groundup.recipe.train",
    "verify": "groundup.recipe.verify",
}


def __getattr__(name: str) -> Any:
    """Import on first use, so that `import groundup` and `groundup --help` stay instant."""
    if name not in _HOMES:
        raise AttributeError(f"module 'groundup' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
