"""Who may ask."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.serving.conftest import Serve

from groundup.errors import SettingError
from groundup.language_model.model import LanguageModel
from groundup.serving.keys import read_keys
from groundup.serving.settings import ServingSettings

KEY, OTHER = "sk-first-of-them", "sk-second"
REFUSAL = {
    "message": "send a key of this server in the header  Authorization: Bearer KEY",
    "type": "authentication_error",
    "param": None,
    "code": "invalid_api_key",
}


@pytest.fixture
def keyed(serve: Serve, letters: LanguageModel, tmp_path: Path) -> TestClient:
    (tmp_path / "keys").write_text(f"# ours\n{KEY}\n\n  {OTHER}  \n", encoding="utf-8")
    return serve(letters, api_keys=str(tmp_path / "keys"))


def test_every_route_asks_for_a_key_but_two(keyed: TestClient) -> None:
    paths = keyed.app.openapi()["paths"]  # type: ignore[attr-defined]
    assert len(paths) >= 10
    for path, methods in paths.items():
        for method in methods:
            answer = keyed.request(method, path.replace("{model}", "tiny"))
            assert answer.status_code == (200 if path in ("/health", "/ready") else 401), path
    for path in ("/openapi.json", "/nowhere", "/docs", "/health/", "/health/../v1/models", "/metrics"):
        assert keyed.get(path).status_code == 401, path
    assert keyed.post("/health").status_code == 401
    refused = keyed.get("/v1/models")
    assert (refused.json(), refused.headers["WWW-Authenticate"]) == ({"error": REFUSAL}, "Bearer")


@pytest.mark.parametrize(
    "path", ["/v1/models?/health", "/v1/models#/health", "/v1/models;/health", "/v1/models%3f/health"]
)
def test_no_other_way_to_write_a_path_opens_it(keyed: TestClient, path: str) -> None:
    assert keyed.get(path).status_code == 401


@pytest.mark.parametrize("host", ["127.0.0.1/health?", "localhost/ready#", "127.0.0.1"])
def test_a_host_header_has_no_say_in_it(keyed: TestClient, host: str) -> None:
    assert keyed.get("/v1/models", headers={"Host": host}).status_code in (401, 403)


@pytest.mark.parametrize("key", [KEY, OTHER])
def test_either_key_opens(keyed: TestClient, key: str) -> None:
    assert keyed.get("/v1/models", headers={"Authorization": f"Bearer {key}"}).status_code == 200
    assert keyed.get("/v1/models", headers={"Authorization": f"bearer  {key}"}).status_code == 200


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", KEY, f"Basic {KEY}", f"Bearer {KEY}x", f"Bearer {KEY[:-1]}", "Bearer # ours", "Bearer é"],
)
def test_anything_else_does_not(keyed: TestClient, header: str) -> None:
    assert keyed.get("/v1/models", headers=[(b"Authorization", header.encode())]).status_code == 401


def test_two_headers_are_none(keyed: TestClient) -> None:
    headers = [("Authorization", f"Bearer {KEY}"), ("Authorization", "Bearer x")]
    assert keyed.get("/v1/models", headers=headers).status_code == 401


def test_a_body_is_not_read_for_someone_without_a_key(keyed: TestClient) -> None:
    answer = keyed.post("/generate", content=b"x" * 3_000_000)
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "there is no key in this file"),
        (b"# only this\n\n", "there is no key in this file"),
        (b"two words\n", "key 1 cannot be sent in a header"),
        ("good\ncl\u00e9\n".encode(), "key 2 cannot be sent in a header"),
        (b"\xff\xfe", r"cannot be read \(it is not text\)"),
    ],
)
def test_files_that_hold_no_keys(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "keys").write_bytes(content)
    with pytest.raises(SettingError, match=message):
        read_keys(str(tmp_path / "keys"))


def test_a_key_in_place_of_its_file_is_not_shown() -> None:
    with pytest.raises(SettingError) as error:
        read_keys("sk-very-secret")
    assert "sk-very-secret" not in str(error.value)
    assert "this file cannot be read (No such file or directory): write one key a line into a file" in str(error.value)


def test_a_file_of_another_system(tmp_path: Path) -> None:
    (tmp_path / "keys").write_bytes(b"\xef\xbb\xbfone\r\ntwo\r\n")
    (tmp_path / "plain").write_bytes(b"one\ntwo\n")
    assert read_keys(str(tmp_path / "keys")) == read_keys(str(tmp_path / "plain"))


def test_other_machines_need_a_key() -> None:
    with pytest.raises(SettingError, match=r"serving.host = '0.0.0.0': other machines could ask there"):
        ServingSettings(host="0.0.0.0")


def test_pages_of_others_get_no_leave_to_read(keyed: TestClient) -> None:
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for answer in (keyed.options("/v1/completions", headers=headers), keyed.get("/health", headers=headers)):
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]
