"""The addresses of a blind study: what they tell, what they never tell, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from groundup.evaluation.human.study import Study
from groundup.serving.comparing import create_comparing_app

EVEN = {"helpful": [3, 3]}


@pytest.fixture
def study(tmp_path: Path) -> Study:
    study = Study.create(tmp_path / "study.sqlite", ["secret-one", "secret-two"], ["Who?", "What?"], ["helpful"])
    for prompt in range(2):
        for model, text in enumerate(("Yes.", "No.")):
            study.add_answer(prompt, model, text)
    return study


@pytest.fixture
def client(study: Study) -> TestClient:
    return TestClient(create_comparing_app(study), base_url="http://127.0.0.1")


def test_a_rater_goes_through_a_study_and_never_hears_a_models_name(study: Study, client: TestClient) -> None:
    said = [client.get("/").text, client.get("/study").text, json.dumps(dict(client.get("/").headers))]
    answer = client.post("/next", json={"rater": "Rosa"})
    for done in range(2):
        assert answer.json()["done"] == done
        shown = answer.json()["shown"]
        assert sorted([shown["left"], shown["right"]]) == ["No.", "Yes."]
        said.append(answer.text)
        body = {"rater": "Rosa", "pair": shown["pair"], "choice": "right", "scores": {"helpful": [2, 5]}}
        answer = client.post("/rating", json=body)
        assert answer.status_code == 200
    assert answer.json() == {"done": 2, "shown": None}
    assert client.post("/undo", json={"rater": "Rosa"}).json()["shown"]["pair"] == list(shown["pair"])
    assert len(study.ratings()) == 1
    assert "secret" not in "".join(said)


@pytest.mark.parametrize(
    ("address", "body", "told"),
    [
        ("/next", {"rater": ""}, "rater"),
        ("/next", {"rater": " "}, "is no name of a rater"),
        ("/next", {"rater": "x" * 61}, "rater"),
        ("/next", {}, "rater"),
        ("/undo", {"rater": "Nobody"}, "no rating of yours to take back"),
        ("/rating", {"rater": "R", "pair": [0, 0, 1], "choice": "left", "scores": {"helpful": [0, 9]}}, "from 1 to 5"),
        ("/rating", {"rater": "R", "pair": [7, 0, 1], "choice": "left", "scores": EVEN}, "has no pair 7"),
        ("/rating", {"rater": "R", "pair": [0, 1], "choice": "left", "scores": EVEN}, "pair"),
        ("/rating", {"rater": "R", "pair": [0, 0, 1], "choice": "a", "scores": EVEN}, "choice"),
        ("/rating", {"rater": "R", "pair": [0, 0, 2**80], "choice": "left", "scores": EVEN}, "has no pair"),
        ("/rating", {"rater": "R", "pair": [0, 0, 1], "choice": "left", "scores": {}}, "asks for"),
        ("/rating", None, "JSON"),
    ],
)
def test_what_is_no_rating_is_refused_in_a_sentence(
    client: TestClient, study: Study, address: str, body: dict[str, object] | None, told: str
) -> None:
    answer = client.post(address, json=body)
    assert answer.status_code == 400
    assert told in answer.json()["error"]["message"] or told in str(answer.json()["error"]["param"])
    assert study.ratings() == []


def test_another_name_of_this_machine_and_a_large_body_are_refused(client: TestClient) -> None:
    assert client.get("/study", headers={"host": "evil.example"}).status_code == 403
    assert client.post("/next", content=b"x" * 100_000).status_code == 413
