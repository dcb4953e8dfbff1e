from __future__ import annotations

import ast
from pathlib import Path

import pytest

from groundup.errors import DataError
from groundup.text.readers.python_library import library_folder, read_python_library
from groundup.text.texts import Text


def test_whole_files_without_tests_packages_and_tables(tmp_path: Path) -> None:
    kept = {"os.py": "import abc\n", "json/decoder.py": "x = 'é'\n", "idlelib/format.py": "y = 1\n"}
    left_out = [
        "test/test_os.py",
        "unittest/test/test_case.py",
        "idlelib/idle_test/test_format.py",
        "site-packages/pip/__init__.py",
        "dist-packages/apt.py",
        "pydoc_data/topics.py",
        "html/entities.py",
        "_sysconfigdata__linux.py",
        "keyword.py",
    ]
    for name, text in {**kept, **dict.fromkeys(left_out, "z = 1\n")}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "json" / "__init__.py").write_text("\n")
    (tmp_path / "cp437.py").write_text('""" Generated from CP437.TXT with gencodec.py."""\ntable = ()\n')
    (tmp_path / "sitecustomize.py").symlink_to(tmp_path / "os.py")
    (tmp_path / "latin.py").write_bytes(b"# -*- coding: latin-1 -*-\r\nname = '\xe9'\r\n")
    kept["latin.py"] = "# -*- coding: latin-1 -*-\nname = 'é'\n"
    assert read_python_library(tmp_path) == [
        Text(name, kept[name], {"programming_language": "Python"}) for name in sorted(kept)
    ]


def test_a_folder_without_source_and_a_file_that_is_not_python_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no source files of Python's standard library"):
        read_python_library(tmp_path)
    (tmp_path / "bad.py").write_bytes(b"x = '\xff'\n")
    with pytest.raises(DataError, match=r"bad\.py cannot be read as Python \(.*\): mend or remove it"):
        read_python_library(tmp_path)


def test_this_python_has_its_library() -> None:
    texts = {text.name: text.text for text in read_python_library(library_folder())}
    assert {"os.py", "json/decoder.py", "asyncio/tasks.py", "collections/__init__.py"} <= set(texts)
    assert not [name for name in texts if "test" in name.split("/")[:-1] or "site-packages" in name]
    assert 5_000_000 < sum(map(len, texts.values())) < 20_000_000
    ast.parse(texts["os.py"])
