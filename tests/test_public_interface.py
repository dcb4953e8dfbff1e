"""What `import groundup as gu` offers: small, sorted, documented, typed, and lazy."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import groundup as gu


def test_the_names_are_these() -> None:
    assert gu.__all__ == [
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
    assert gu.__all__ == sorted(gu.__all__)
    assert set(gu.__all__) <= set(dir(gu))


@pytest.mark.parametrize("name", gu.__all__)
def test_each_is_documented_and_typed(name: str) -> None:
    thing = getattr(gu, name)
    assert inspect.getdoc(thing)
    if inspect.isfunction(thing):
        signature = inspect.signature(thing)
        assert signature.return_annotation is not inspect.Signature.empty
        assert all(parameter.annotation is not inspect.Parameter.empty for parameter in signature.parameters.values())


def test_importing_it_loads_nothing_heavy() -> None:
    code = "import groundup, sys; print([name for name in ('torch', 'numpy', 'pydantic') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        gu.trian  # noqa: B018
