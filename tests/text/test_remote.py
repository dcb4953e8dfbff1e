"""Sources that lie elsewhere, against a server of our own."""

from __future__ import annotations

import hashlib
import io
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.hub_server import hub

from groundup.errors import DataError
from groundup.text.document import Document
from groundup.text.settings import DataSettings
from groundup.text.sources import check_sources, read_documents

TEXT = b'{"text": "from afar"}\n'


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "rows.jsonl").write_bytes(TEXT)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "served"))) as found:
        thread = threading.Thread(target=found.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{found.server_port}"
        found.shutdown()
        thread.join()


def read(source: str, cache: Path, said: list[str] | None = None) -> list[Document]:
    return read_documents(DataSettings(source), cache, (lambda line: None) if said is None else said.append)


def failure(source: str, cache: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(source, cache)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_address_is_fetched_once_and_compared_with_its_hash(server: str, tmp_path: Path) -> None:
    digest = hashlib.sha256(TEXT).hexdigest()
    source = f"{server}/rows.jsonl#sha256={digest}"
    said: list[str] = []
    (document,) = read(source, tmp_path / "cache", said)
    assert (document.text, document.source) == ("from afar", source)
    assert said == [f"fetching rows.jsonl from {server.removeprefix('http://')}"]
    (tmp_path / "served" / "rows.jsonl").unlink()
    assert read(source, tmp_path / "cache") == [document]
    assert "could not be fetched (" in failure(source, tmp_path / "other")
    check_sources(DataSettings(source))


def test_an_address_without_or_with_another_hash(server: str, tmp_path: Path) -> None:
    assert failure(f"{server}/rows.jsonl", tmp_path).startswith(
        f"data.source = '{server}/rows.jsonl': write the file's sha256 behind it, {server}/rows.jsonl#sha256=…"
    )
    message = failure(f"{server}/rows.jsonl#sha256={'0' * 64}", tmp_path)
    assert f"has sha256 {hashlib.sha256(TEXT).hexdigest()}, which is not the one written behind it" in message
    assert not list(tmp_path.glob("addresses/*/*"))
    assert "is no address (Invalid IPv6 URL): check it" in failure(f"http://[::1#sha256={'0' * 64}", tmp_path)
    (document,) = read(f"{server}/rows.jsonl#sha256={hashlib.sha256(TEXT).hexdigest().upper()}", tmp_path)
    assert document.text == "from afar"


def test_an_address_with_a_password_is_not_written_into_every_document(server: str, tmp_path: Path) -> None:
    message = failure(f"{server.replace('//', '//me:secret@')}/rows.jsonl#sha256={'0' * 64}", tmp_path)
    assert message.startswith("the address at 127.0.0.1 holds a name or a password")
    assert "secret" not in message


def test_a_dataset_of_a_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    files = {"data/rows.jsonl": TEXT, "load.py": b"raise SystemExit", "README.md": b"about", "weights.bin": b"\0"}
    with hub(files, monkeypatch) as asked:
        documents = read("hf://owner/name", tmp_path)
        assert read("hf://owner/name@v1", tmp_path) == [
            replace(each, source="hf://owner/name@v1") for each in documents
        ]
    assert [(document.text, document.source) for document in documents] == [("from afar", "hf://owner/name")]
    assert not any(path.endswith((".py", ".bin")) for path in asked)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert read("hf://owner/name", tmp_path) == documents  # what was fetched serves without a network


def test_a_hub_that_cannot_be_reached_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    message = failure("hf://owner/name", tmp_path)
    assert message.startswith("hf://owner/name could not be fetched from the hub (")
    assert message.endswith("check the name (owner/name) and the network, or name files that you have")
    for wrong in ("hf://", "hf://name", "hf://a/b/c", "hf://../..", "hf://no such/name", "hf://owner/name@"):
        assert failure(wrong, tmp_path).startswith(f"{wrong!r} is no name on the hub: write hf://owner/name, or")


def test_a_name_that_could_be_a_hubs_gets_a_hint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert failure("owner/some-name", tmp_path).endswith(
        "or write hf://owner/some-name if it is a dataset of the Hugging Face hub"
    )


@pytest.mark.parametrize(("source", "content"), [("-", "plain Grüße\n"), ("-.jsonl", '{"text": "plain Grüße\\n"}')])
def test_standard_input(source: str, content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
    (document,) = read(source, tmp_path)
    assert document.text == "plain Grüße\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    assert failure(source, tmp_path) == "standard input is empty: name a file with text in it"
    monkeypatch.setattr(sys, "stdin", None)
    assert "is standard input, where nothing comes from" in failure(source, tmp_path)
