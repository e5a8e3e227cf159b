import asyncio
import json
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from edge_detector.web.predict import Prediction, shares
from fastapi import FastAPI
from maskwatch_proto.alert import Label

from tests.unit.edge_detector.web.conftest import (
    TOKEN,
    FakeDetector,
    faces,
    in_base64,
    speaking_to,
    until,
)

Encode = Callable[..., bytes]
_MASKED = ((1.0, 2.0, 3.0, 4.0), 0.9, (0.8, 0.15, 0.05))
_BARE = ((2.5, 1.0, 7.0, 5.25), 0.6, (0.2, 0.7, 0.1))


def _as_its_client_sends(picture: bytes) -> bytes:
    """Return the body of the published client: URL-safe base64 in JSON, and no content type."""
    return json.dumps({"image_string": in_base64(picture)}).encode()


async def test_published_client_gets_its_answer(
    client: httpx.AsyncClient, detector: FakeDetector, encode: Encode
) -> None:
    detector.answer = faces(_MASKED)

    answer = await client.post("/predict/", content=_as_its_client_sends(encode()))

    assert answer.status_code == 200
    body = answer.json()
    assert list(body) == ["predictions", "timestamp"]
    assert body["predictions"]["mask"]["with_mask"] == pytest.approx(0.8)
    assert body["predictions"]["mask"]["without_mask"] == pytest.approx(0.2)
    assert body["timestamp"] == "2026-01-01 00:00:00"


async def test_without_a_face_the_predictions_are_null(
    client: httpx.AsyncClient, encode: Encode
) -> None:
    answer = await client.post("/predict", content=_as_its_client_sends(encode()))

    assert answer.json() == {"predictions": None, "timestamp": "2026-01-01 00:00:00"}


def test_nobody_without_a_mask_hides_behind_others() -> None:
    for order in ((_MASKED, _BARE), (_BARE, _MASKED)):
        simple = shares(faces(*order))

        assert simple is not None
        assert simple.mask.with_mask == pytest.approx(0.2)
    assert shares(faces()) is None


@pytest.mark.parametrize("kind", ["form", "json"])
async def test_typed_answer_says_all_of_it(
    kind: str, client: httpx.AsyncClient, detector: FakeDetector, encode: Encode
) -> None:
    detector.answer = faces(_MASKED, _BARE)
    sent = (
        {"files": {"file": ("a.png", encode())}}
        if kind == "form"
        else {"json": {"image": in_base64(encode())}}
    )

    answer = await client.post("/v1/predict", **sent)

    assert answer.status_code == 200
    prediction = Prediction.model_validate(answer.json())
    assert [face.label for face in prediction.faces] == [Label.MASK, Label.NO_MASK]
    assert prediction.faces[1].box.model_dump() == {
        "left": 2.5,
        "top": 1.0,
        "right": 7.0,
        "bottom": 5.25,
    }
    assert prediction.faces[1].score == pytest.approx(0.6)
    assert prediction.faces[1].probabilities[Label.NO_MASK] == pytest.approx(0.7)
    assert prediction.picture.model_dump() == {"width_px": 8, "height_px": 6}
    assert (prediction.detector.name, prediction.runtime) == ("fake", "fake 1")
    assert prediction.classifier is None
    assert prediction.predicted_at.isoformat() == "2026-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"content": b"{"}, 415),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 400),
        ({"json": {"image": ""}}, 422),
        ({"json": {"image": "AAAAA"}}, 400),
        ({"json": {"image": "AAAA"}}, 415),
        ({"files": {"file": ("a.png", b"no picture")}}, 415),
        ({"files": {"picture": ("a.png", b"x")}}, 422),
        ({"content": b"x" * 200_000, "headers": {"content-type": "application/json"}}, 413),
    ],
)
async def test_refusal_is_a_problem_with_a_reason(
    sent: dict[str, object], status: int, client: httpx.AsyncClient
) -> None:
    answer = await client.post("/v1/predict", **sent)  # type: ignore[arg-type]

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert answer.json()["detail"]


async def test_body_without_a_declared_length_is_cut_off_at_the_limit(
    client: httpx.AsyncClient, detector: FakeDetector
) -> None:
    sent_bytes = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent_bytes
        while sent_bytes < 10_000_000:
            sent_bytes += 10_000
            yield b"x" * 10_000

    answer = await client.post("/predict/", content=endless())

    assert answer.status_code == 413
    assert "100000 bytes" in answer.json()["detail"]
    assert detector.seen == []


async def test_full_queue_is_told_with_the_time_to_come_back(
    client: httpx.AsyncClient, detector: FakeDetector, encode: Encode
) -> None:
    detector.may_answer.clear()
    body = _as_its_client_sends(encode())
    waiting = [asyncio.create_task(client.post("/predict/", content=body)) for _ in range(3)]
    await until(lambda: bool(detector.seen))

    refused = await client.post("/predict/", content=body)
    detector.may_answer.set()
    answers = await asyncio.gather(*waiting)

    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert [answer.status_code for answer in answers] == [200, 200, 200]


async def test_body_that_does_not_arrive_is_given_up(build: Callable[..., FastAPI]) -> None:
    async def stuck() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    app = build(web_token=TOKEN, predict_body_s=0.01)
    async with speaking_to(app, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        answer = await client.post("/predict/", content=stuck())

    assert answer.status_code == 408


async def test_unknown_routes_and_methods_are_problems_too(client: httpx.AsyncClient) -> None:
    missing, wrong = await client.get("/nowhere"), await client.get("/v1/predict")

    assert (missing.status_code, wrong.status_code) == (404, 405)
    assert wrong.headers["allow"] == "POST"
    assert {missing.headers["content-type"], wrong.headers["content-type"]} == {
        "application/problem+json"
    }


async def test_openapi_declares_every_refusal_and_the_token(client: httpx.AsyncClient) -> None:
    text = (await client.get("/openapi.json")).json()

    assert set(text["paths"]) == {"/v1/predict", "/predict/"}
    assert text["security"] == [{"token": []}]
    for path in text["paths"].values():
        declared = path["post"]["responses"]
        assert set(declared) == {
            *("200", "400", "401", "403", "408", "413", "415", "422", "429", "503")
        }
        for status, declaration in declared.items():
            if status != "200":
                assert list(declaration["content"]) == ["application/problem+json"]
    assert "ProblemBody" in text["components"]["schemas"]


async def test_example_of_the_openapi_text_is_a_picture(client: httpx.AsyncClient) -> None:
    text = (await client.get("/openapi.json")).json()
    body = text["paths"]["/v1/predict"]["post"]["requestBody"]["content"]["application/json"]

    answer = await client.post("/v1/predict", json=body["example"])

    assert answer.status_code == 200
