"""A hub of our own on this machine: the real client library fetches from it, so what we ask of a hub is tried without one."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

COMMIT = "5" * 40


@contextmanager
def hub(files: Mapping[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A hub whose every repository holds `files`, at the revisions `main` and `v1`; gives the paths that were asked for."""
    from huggingface_hub import constants

    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def _answer(self, with_body: bool) -> None:
            path = urlsplit(self.path).path
            asked.append(path)
            status, body, etag = 200, b"", ""
            if path.endswith(("/revision/main", "/revision/v1")):
                body = json.dumps({"id": "owner/name", "sha": COMMIT}).encode()
            elif path.endswith(f"/tree/{COMMIT}"):
                rows = [
                    {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                    for name, content in files.items()
                ]
                body = json.dumps(rows).encode()
            elif f"/resolve/{COMMIT}/" in path:
                body = files[path.partition(f"/resolve/{COMMIT}/")[2]]
                etag = hashlib.sha1(body).hexdigest()
            else:
                status = 404
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", f'"{etag}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.end_headers()
            if with_body:
                self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(constants, "ENDPOINT", address)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        )
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield asked
        finally:
            server.shutdown()
            thread.join()
