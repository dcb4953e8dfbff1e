"""The files of the web pages: which there are, with which headers, and that they use nothing from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from urllib.parse import urljoin

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from groundup.serving.page_files import PAGES, STUDY_PAGES, page_routes, read_pages

FILES = read_pages()


@pytest.fixture(scope="module")
def pages() -> Iterator[TestClient]:
    app = FastAPI()
    app.include_router(page_routes())
    with TestClient(app) as client:
        yield client


@pytest.mark.parametrize("path", FILES)
def test_each_is_sent_as_it_lies_there(pages: TestClient, path: str) -> None:
    kind, content = FILES[path]
    answer = pages.get(path)
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, kind, content)
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["form-action"] == policy["base-uri"] == "'none'"
    assert policy["require-trusted-types-for"] == "'script'"
    head = pages.head(path)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(content)))
    again = pages.get(path, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path", ["/pages/", "/pages/../app.py", "/pages/%2e%2e/app.py", "/pages//etc/passwd", "/pages/no.js"]
)
def test_there_is_nothing_else(pages: TestClient, path: str) -> None:
    assert pages.get(path).status_code == 404


def test_all_that_lies_there_is_sent() -> None:
    there = {file.name for file in files("groundup.serving").joinpath("pages").iterdir()}
    assert {
        *PAGES.values(),
        *STUDY_PAGES.values(),
        *(path.removeprefix("/pages/") for path in FILES if path not in PAGES),
    } == there


@pytest.mark.parametrize("path", [path for path in FILES if not path.endswith(".svg")])
def test_what_a_file_names_is_there_and_ours(path: str) -> None:
    text = FILES[path][1].decode("utf-8")
    for name in re.findall(r'(?:src|href)[=:] ?"([^"#]+)"', text):  # a script's, too, are beside the page
        assert urljoin("/", name) in FILES
    for name in re.findall(r'from "([^"]+)"', text):
        assert urljoin(path, name) in FILES
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)[a-z]", text)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_holds_no_script_and_no_style(path: str) -> None:
    text = FILES[path][1].decode("utf-8")
    assert re.findall(r"<script[^>]*>(.*?)</script>", text, re.S) == [""]
    assert "<style" not in text
    assert not re.search(r"\s(style|on[a-z]+)=", text)


@pytest.mark.parametrize("path", [path for path in FILES if path.endswith(".js")])
def test_no_markup_is_made_from_a_string(path: str) -> None:
    text = FILES[path][1].decode("utf-8")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", text)
