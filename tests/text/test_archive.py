from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import pytest

from groundup.errors import DataError
from groundup.text.archive import copy_member, read_members


def write_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def test_reads_matching_members_in_order(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "a.zip", {"b/2.md": b"two", "a/1.md": b"one", "b/code.py": b"raise SystemExit"})
    assert list(read_members(archive, "*/*.md").items()) == [("a/1.md", b"one"), ("b/2.md", b"two")]


def test_several_patterns_give_each_member_once_in_order_of_name(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "a.zip", {"c.txt": b"3", "a.md": b"1", "b.md": b"2", "d.py": b"4"})
    assert list(read_members(archive, ("*.txt", "*.md", "a.*"))) == ["a.md", "b.md", "c.txt"]
    with pytest.raises(DataError, match=r"holds no file that matches \*\.rs or \*\.go"):
        read_members(archive, ("*.rs", "*.go"))


def test_a_member_is_copied_piece_by_piece_up_to_a_limit(tmp_path: Path) -> None:
    content = bytes(range(256)) * 20_000  # more than one piece
    archive = write_zip(tmp_path / "a.zip", {"large.bin": content})
    target = io.BytesIO()
    copy_member(archive, "large.bin", target, len(content))
    assert target.getvalue() == content
    with pytest.raises(DataError, match=r"large\.bin unpacks to more than the 1,000,000 bytes expected"):
        copy_member(archive, "large.bin", io.BytesIO(), 1_000_000)
    with pytest.raises(DataError, match=r"holds no file small\.bin"):
        copy_member(archive, "small.bin", io.BytesIO(), 1)
    whole = archive.read_bytes()
    archive.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    with pytest.raises(DataError, match="not a whole zip archive"):
        copy_member(archive, "large.bin", io.BytesIO(), len(content))
    archive.write_bytes(whole[:100])
    with pytest.raises(DataError, match="not a whole zip archive"):
        copy_member(archive, "large.bin", io.BytesIO(), len(content))


def test_a_bomb_is_stopped_although_its_header_lies(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "bomb.zip", {"bomb.md": bytes(10_000_000)})
    content = archive.read_bytes()
    assert len(content) < 20_000
    lying = content.replace(struct.pack("<I", 10_000_000), struct.pack("<I", 10))
    assert lying != content
    archive.write_bytes(lying)
    with pytest.raises(DataError, match=r"not a whole zip archive|unpacks to more"):
        read_members(archive, "*.md", max_member_bytes=1_000_000)
    archive.write_bytes(content)
    with pytest.raises(DataError, match=r"bomb\.zip unpacks to more than .*\(stopped at bomb\.md\)"):
        read_members(archive, "*.md", max_member_bytes=1_000_000)


def test_many_members_are_stopped_at_the_total(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "many.zip", {f"{number}.md": bytes(1000) for number in range(20)})
    assert len(read_members(archive, "*.md", max_total_bytes=20_000)) == 20
    with pytest.raises(DataError, match="unpacks to more than is read from an archive"):
        read_members(archive, "*.md", max_total_bytes=19_999)


def test_a_truncated_archive_and_a_changed_member_are_named(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "a.zip", {"1.md": bytes(range(256)) * 40})
    content = archive.read_bytes()
    archive.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"a\.zip is not a whole zip archive"):
        read_members(archive, "*.md")
    archive.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
    with pytest.raises(DataError, match=r"a\.zip is not a whole zip archive"):
        read_members(archive, "*.md")


def test_an_archive_without_the_files_is_named(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "a.zip", {"1.txt": b"one"})
    with pytest.raises(DataError, match=r"a\.zip holds no file that matches \*\.md"):
        read_members(archive, "*.md")
