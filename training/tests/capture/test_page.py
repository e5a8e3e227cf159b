import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from maskwatch_training.capture import counter, page
from maskwatch_training.capture.counter import Counter
from maskwatch_training.capture.sources import Camera, Pushed
from maskwatch_training.capture.store import Store
from maskwatch_training.capture.testing import Sheets, desk_on, frame
from starlette.testclient import TestClient

Answer = dict[str, Any]

ONE, OTHER = (10.0, 10.0, 50.0, 60.0), (60.0, 20.0, 90.0, 60.0)


class Quitting:
    """Counts how often it was asked for."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> None:
        self.calls += 1


@pytest.fixture
def quitting() -> Quitting:
    return Quitting()


@pytest.fixture
def client(store: Store, quitting: Quitting) -> Iterator[TestClient]:
    desk = desk_on(store, Sheets(frame(1), frame(2), frame(3)), ONE)
    app = page.application(Counter(desk), token="t0k", hosts=["testserver"], on_quit=quitting)
    with TestClient(app, base_url="http://testserver/t0k/") as client:
        yield client


def _press(client: TestClient, key: str) -> Answer:
    number = client.get("api/state").json()["frame"]
    answer = client.post("api/steps", json={"do": "key", "frame": number, "key": key})
    assert answer.status_code == 200
    state: Answer = answer.json()
    return state


@pytest.mark.parametrize(
    ("path", "media_type"),
    [("", "text/html"), ("capture.css", "text/css"), ("stage.js", "text/javascript")],
)
def test_files_of_the_page_come_with_a_strict_policy(
    client: TestClient, path: str, media_type: str
) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(media_type)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("path", ["/", "/api/state", "/wrong/api/state", "/t0k/page.py"])
def test_nothing_is_served_without_the_token(client: TestClient, path: str) -> None:
    assert client.get(f"http://testserver{path}").status_code == 404


def test_page_under_a_foreign_name_is_refused(client: TestClient) -> None:
    assert client.get("api/state", headers={"host": "elsewhere.example"}).status_code == 400


def test_key_labels_and_saves(client: TestClient, store: Store) -> None:
    state = _press(client, "m")
    assert state["counts"]["mask"] == 1
    assert state["recent"][0]["labels"] == ["mask"]
    assert state["notice"] == "Saved: mask"
    assert store.entries[0]["group"] == "own/anna"


def test_second_press_does_not_label_a_picture_that_was_not_seen(
    client: TestClient, store: Store
) -> None:
    number = client.get("api/state").json()["frame"]
    step = {"do": "key", "frame": number, "key": "m"}
    assert client.post("api/steps", json=step).status_code == 200
    assert client.post("api/steps", json=step).status_code == 409
    assert len(store.entries) == 1


def test_boxes_are_drawn_placed_and_selected(client: TestClient) -> None:
    number = client.get("api/state").json()["frame"]

    def step(**fields: object) -> Answer:
        answer = client.post("api/steps", json={"frame": number, **fields})
        assert answer.status_code == 200
        state: Answer = answer.json()
        return state

    assert step(do="draw", box=OTHER)["selected"] == 1
    assert step(do="select", index=0)["selected"] == 0
    placed = step(do="place", index=1, box=[60, 20, 95, 500])
    assert placed["faces"][1]["box"] == [60, 20, 95, 80]
    assert step(do="hold")["is_held"]
    assert step(do="select", index=7)["is_error"]


@pytest.mark.parametrize(
    "body",
    [
        {"do": "key", "frame": 1, "key": "y"},
        {"do": "place", "frame": 1, "index": 0, "box": [1, 2, 3]},
        {"do": "fly", "frame": 1},
        {"do": "hold"},
        {"do": "hold", "frame": 1, "more": 2},
    ],
)
def test_senseless_step_is_refused(client: TestClient, body: Answer) -> None:
    client.get("api/state")
    assert client.post("api/steps", json=body).status_code == 422


def test_pictures_are_shown_and_deleted(client: TestClient, store: Store) -> None:
    number = client.get("api/state").json()["frame"]
    shown = client.get(f"api/frames/{number}")
    decoded = cv2.imdecode(np.frombuffer(shown.content, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert decoded.shape == (80, 100, 3)
    assert client.get("api/frames/999").status_code == 409
    stem = _press(client, "m")["recent"][0]["id"]
    assert client.get(f"api/pictures/{stem}").headers["content-type"] == "image/jpeg"
    assert client.delete(f"api/pictures/{stem}").json()["total"] == 0
    assert store.entries == []
    assert client.delete(f"api/pictures/{stem}").status_code == 404
    assert client.get(f"api/pictures/{stem}").status_code == 404


def test_thumbnail_of_a_file_that_is_gone_is_not_found(client: TestClient, store: Store) -> None:
    stem = _press(client, "e")["recent"][0]["id"]
    assert client.get(f"api/pictures/{stem}").status_code == 200
    store.picture(store.entries[0]["file"]).unlink()
    assert client.get(f"api/pictures/{stem}").status_code == 404


def test_browser_hands_its_own_pictures_in(client: TestClient, store: Store) -> None:
    _, jpeg = cv2.imencode(".jpg", np.full((60, 90, 3), 77, np.uint8))
    before = client.post("api/frames", content=jpeg.tobytes()).json()
    assert before["size"] is None
    chosen = client.post("api/source", json={"name": "browser"}).json()
    assert (chosen["source"], chosen["server_source"]) == ("browser", "sheets")
    offered = client.post("api/frames", content=jpeg.tobytes()).json()
    assert (offered["size"], offered["is_live"]) == ([90, 60], True)
    _press(client, "n")
    assert store.entries[0]["source"]["name"] == counter.BROWSER
    back = client.post("api/source", json={"name": "server"}).json()
    assert back["size"] == [100, 80]
    assert client.post("api/source", json={"name": "server"}).json()["frame"] == back["frame"]


@pytest.mark.parametrize(
    ("body", "status"), [(b"words", 404), (b"", 404), (b"x" * 17_000_000, 413)]
)
def test_body_that_is_no_picture_is_refused(client: TestClient, body: bytes, status: int) -> None:
    assert client.post("api/frames", content=body).status_code == status


def test_person_is_named(client: TestClient) -> None:
    assert client.post("api/person", json={"name": "bert"}).json()["person"] == "bert"
    refused = client.post("api/person", json={"name": "../x"}).json()
    assert (refused["person"], refused["is_error"]) == ("bert", True)


def test_page_without_a_server_source_says_so(store: Store, quitting: Quitting) -> None:
    desk = desk_on(store, Pushed(counter.BROWSER), ONE)
    app = page.application(Counter(desk), token="t", hosts=["*"], on_quit=quitting)
    with TestClient(app, base_url="http://testserver/t/") as client:
        state = client.get("api/state").json()
        assert (state["source"], state["server_source"]) == ("browser", None)
        refused = client.post("api/source", json={"name": "server"}).json()
        assert "--source" in refused["notice"]
        assert client.post("api/quit").status_code == 204
    assert quitting.calls == 1


def test_camera_that_is_gone_is_told(store: Store, film: Path) -> None:
    camera = Camera(str(film), name="film")
    camera.close()
    behind = Counter(desk_on(store, camera, ONE))
    assert behind.look().size == (480, 360)
    told = behind.look()
    assert told.is_error
    assert "gives no picture any more" in told.notice


@pytest.mark.parametrize("xyxy", [None, [80.0, 0.0, 100.0, 20.0], [0.0, 0.0, 100.0, 80.0]])
def test_thumbnail_is_a_square_inside_the_picture(xyxy: list[float] | None) -> None:
    assert counter.cut(frame(5).picture, xyxy).shape == (144, 144, 3)


def test_served_page_ends_when_it_is_asked_to(store: Store) -> None:
    served = page.Page(desk_on(store, Sheets(frame(1))), host="127.0.0.1", port=0)
    thread = threading.Thread(target=served.run)
    thread.start()
    try:
        assert "<title>Maskwatch capture" in httpx.get(served.url).text
        assert httpx.post(f"{served.url}api/quit").status_code == 204
    finally:
        served.stop()
        thread.join(timeout=20)
    assert not thread.is_alive()


def test_port_that_is_taken_is_named(store: Store) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(page.PageNotServed, match=f"127.0.0.1:{port}"):
            page.Page(desk_on(store, Sheets()), host="127.0.0.1", port=port)
