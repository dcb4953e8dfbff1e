"""What the page of a study is told over HTTP: two texts, and nothing that says whose they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from groundup.evaluation.human.study import Study
from groundup.serving.comparing import create_comparing_app

EVEN = {"helpful": [3, 4]}


@pytest.fixture
def study(tmp_path: Path) -> Study:
    study = Study.create(tmp_path / "study.sqlite", ["runs/anna", "runs/bert"], ["Who?", "What?"], ["helpful"])
    for prompt in range(2):
        for model, text in enumerate((" first\n", "second")):
            study.add_answer(prompt, model, text)
    return study


@pytest.fixture
def client(study: Study) -> TestClient:
    return TestClient(create_comparing_app(study), base_url="http://127.0.0.1")


def told(client: TestClient, address: str, **body: Any) -> dict[str, Any]:
    answer = client.post(address, json={"rater": "Rosa", **body})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_nothing_that_is_sent_says_whose_answer_is_whose(client: TestClient) -> None:
    shown = told(client, "/next")["shown"]
    assert set(shown) == {"pair", "prompt", "left", "right"}
    assert {shown["left"], shown["right"]} == {"first", "second"}  # without the space around them
    sent = [client.get(path) for path in ("/", "/study", "/pages/compare.js")]
    sent += [client.post("/next", json={"rater": "Rosa"}), client.post("/rating", json={})]
    for answer in sent:
        for name in ("anna", "bert", "study.sqlite"):
            assert name not in answer.text + json.dumps(dict(answer.headers))


def test_a_rating_sent_twice_counts_once_and_what_is_taken_back_comes_back(client: TestClient, study: Study) -> None:
    first = told(client, "/next")["shown"]
    rating = {"pair": first["pair"], "choice": "left", "scores": EVEN}
    second = told(client, "/rating", **rating)
    assert told(client, "/rating", **rating) == second
    assert (second["done"], second["given"], len(study.ratings())) == (1, None, 1)
    back = told(client, "/undo", rater=" Rosa ")  # the same person
    assert back == {"done": 0, "shown": first, "given": {"choice": "left", "scores": EVEN}}
    assert study.ratings() == []
    refused = client.post("/undo", json={"rater": "Rosa"})
    assert (refused.status_code, refused.json()["error"]["message"]) == (
        400,
        "there is no rating of yours to take back",
    )


@pytest.mark.parametrize(
    ("address", "body", "says"),
    [
        ("/next", {"rater": ""}, "rater"),
        ("/next", {"rater": " "}, "is no name of a rater"),
        ("/next", {"rater": "x" * 61}, "rater"),
        ("/next", {}, "rater"),
        ("/undo", {"rater": "Nobody"}, "no rating of yours to take back"),
        ("/rating", {"scores": {"helpful": [0, 9]}}, "from 1 to 5"),
        ("/rating", {"pair": "7"}, "no such pair: load the page again"),
        ("/rating", {"pair": [0, 0, 1]}, "pair"),
        ("/rating", {"pair": "x" * 65}, "pair"),
        ("/rating", {"choice": "a"}, "choice"),
        ("/rating", {"scores": {}}, "asks for ['helpful']"),
        ("/rating", None, "JSON"),
    ],
)
def test_what_is_no_rating_is_refused_in_a_sentence(
    client: TestClient, study: Study, address: str, body: dict[str, object] | None, says: str
) -> None:
    if address == "/rating" and body is not None:
        pair = told(client, "/next")["shown"]["pair"]
        body = {"rater": "Rosa", "pair": pair, "choice": "left", "scores": EVEN, **body}
    answer = client.post(address, json=body)
    assert answer.status_code == 400
    assert says in answer.json()["error"]["message"] or says in str(answer.json()["error"]["param"])
    assert study.ratings() == []


def test_another_name_of_this_machine_and_a_large_body_are_refused(client: TestClient) -> None:
    assert client.get("/study", headers={"host": "evil.example"}).status_code == 403
    assert client.post("/next", content=b"x" * 100_000).status_code == 413


def test_a_study_that_can_no_longer_be_read_is_said(client: TestClient, study: Study) -> None:
    study.path.write_bytes(b"no database any more" * 99)
    answer = client.post("/next", json={"rater": "Rosa"})
    assert (answer.status_code, "cannot be used as a study" in answer.json()["error"]["message"]) == (400, True)
