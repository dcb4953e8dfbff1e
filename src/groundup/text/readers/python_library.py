"""Python's own standard library as it lies on this machine: source code, whole files."""

from __future__ import annotations

import io
import sysconfig
import tokenize
from pathlib import Path

from groundup.errors import DataError
from groundup.text.texts import Text

LEFT_OUT_FOLDERS = {
    *("test", "tests", "idle_test"),  # the tests
    *("site-packages", "dist-packages"),  # what was installed
    *("__pycache__", "_bundled", "pydoc_data"),  # compiled files, wheels, and the manual's pages as one table
}
LEFT_OUT_FILES = {"html/entities.py", "stringprep.py", "keyword.py", "token.py"}  # tables that a script wrote
GENERATED = "gencodec.py"  # named by each encoding's table


def library_folder() -> Path:
    """Where the running interpreter's standard library lies."""
    return Path(sysconfig.get_path("stdlib"))


def read_python_library(folder: Path) -> list[Text]:
    """Each source file of the standard library, named by its path; tests, packages that were installed, and tables
    that a script wrote are left out.

    Raises `DataError` when there is no source, as where the library is one zip file.
    """
    texts = []
    for path in sorted(folder.rglob("*.py")):
        name = path.relative_to(folder).as_posix()
        if (
            LEFT_OUT_FOLDERS.intersection(path.relative_to(folder).parts[:-1])
            or name in LEFT_OUT_FILES
            or name.startswith("_sysconfigdata")
            or path.is_symlink()
        ):
            continue
        text = _decode(path)
        if text.strip() and GENERATED not in text[:1000]:
            texts.append(Text(name, text, {"programming_language": "Python"}))
    if not texts:
        raise DataError(f"{folder} holds no source files of Python's standard library: use a Python that has them")
    return texts


def _decode(path: Path) -> str:
    """A source file's text, in the encoding that its first lines name (PEP 263)."""
    try:
        content = path.read_bytes()
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        return content.decode(encoding).replace("\r\n", "\n")
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as Python ({error}): mend or remove it") from error
