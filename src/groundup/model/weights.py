"""Tensors by name that are read when they are asked for, so that a model is never in memory twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from groundup.errors import ModelError


class StoredTensors(Mapping[str, Tensor]):
    """The tensors of safetensors files. Each is mapped from its file anew, and its memory is free when it is dropped.

    Raises `ModelError` naming a file that is damaged or can't be read.
    """

    def __init__(self, files: list[Path]) -> None:
        self._files: dict[str, Path] = {}
        for file in files:
            with _open(file) as opened:
                self._files |= dict.fromkeys(opened.keys(), file)

    def metadata(self, file: Path) -> dict[str, str]:
        """The texts that one of the files carries beside its tensors."""
        with _open(file) as opened:
            return opened.metadata() or {}

    def __getitem__(self, name: str) -> Tensor:
        with _open(self._files[name]) as opened:
            tensor: Tensor = opened.get_tensor(name)
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


class RenamedTensors(Mapping[str, Tensor]):
    """Tensors under other names; `names` says what each is called in `tensors`."""

    def __init__(self, tensors: Mapping[str, Tensor], names: Mapping[str, str]) -> None:
        self._tensors, self._names = tensors, names

    def __getitem__(self, name: str) -> Tensor:
        return self._tensors[self._names[name]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _open(path: Path) -> safe_open:
    try:
        return safe_open(path, framework="pt")
    except SafetensorError as error:
        raise ModelError(f"{path} is damaged or cut short ({error}); get the file again") from None
    except (OSError, RuntimeError):  # its own, and PyTorch's
        try:
            path.open("rb").close()  # safetensors says "no such file" whatever the reason
            why, advice = "the system could not map it into memory", "end what else is running"
        except OSError as error:
            why, advice = error.strerror or str(error), "check its permissions, or get the file again"
        raise ModelError(f"{path} cannot be read ({why}); {advice}") from None
