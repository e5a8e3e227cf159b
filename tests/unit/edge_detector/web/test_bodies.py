import base64
import json

import pytest
from edge_detector.web import bodies
from edge_detector.web.problems import Problem
from hypothesis import given
from hypothesis import strategies as st

_PICTURE = bytes(range(256))
_BOUNDARY = "multipart/form-data; boundary=cut"


def _json(image: object) -> bytes:
    return json.dumps({"image": image}).encode()


def _form(name: str, data: bytes, *, filename: str = '; filename="a.png"') -> bytes:
    head = f'--cut\r\nContent-Disposition: form-data; name="{name}"{filename}\r\n\r\n'
    return head.encode() + data + b"\r\n--cut--\r\n"


@given(st.binary(min_size=1))
def test_standard_and_url_safe_base64_are_read(data: bytes) -> None:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        assert bodies.from_json(_json(encode(data).decode()), field="image") == data


def test_base64_in_lines_and_in_a_data_address_is_read() -> None:
    text = base64.encodebytes(_PICTURE).decode()

    assert bodies.from_json(_json(text), field="image") == _PICTURE
    assert bodies.from_json(_json(f"data:image/png;base64,{text}"), field="image") == _PICTURE


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"", 400, "no JSON"),
        (b"{", 400, "no JSON"),
        (b"\xff\xfe\xff", 400, "no JSON"),
        (b"[" * 100_000, 400, "no JSON"),
        (b"[]", 422, '"image"'),
        (b"{}", 422, '"image"'),
        (_json(None), 422, '"image"'),
        (_json(5), 422, '"image"'),
        (_json(" "), 422, '"image"'),
        (_json("AAAAA"), 400, "cut off"),
        (_json(base64.b64encode(_PICTURE).decode()[:-1]), 400, "cut off"),
        (_json("AA=A"), 400, "not base64"),
        (_json("ääää"), 400, "not base64"),
        (_json("\ud800AAA"), 400, "not base64"),
    ],
)
def test_what_is_no_base64_in_json_is_refused(body: bytes, status: int, reason: str) -> None:
    with pytest.raises(Problem, match=reason) as refused:
        bodies.from_json(body, field="image")

    assert refused.value.status == status


def test_file_of_a_form_is_read_with_and_without_a_name() -> None:
    large = _PICTURE * 8192

    assert bodies.from_form(_BOUNDARY, _form("file", large)) == large
    assert bodies.from_form(_BOUNDARY, _form("file", _PICTURE, filename="")) == _PICTURE


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("multipart/form-data", _form("file", b"x"), 400),
        (f"multipart/form-data; boundary={'b' * 300}", _form("file", b"x"), 400),
        (_BOUNDARY, b"no form", 400),
        (_BOUNDARY, _form("picture", b"x"), 422),
        (_BOUNDARY, _form("file", b""), 422),
        (_BOUNDARY, b"", 422),
        (_BOUNDARY, b"".join(_form("a", b"x")[:-9] for _ in range(30)), 400),
    ],
)
def test_form_without_a_file_is_refused(content_type: str, body: bytes, status: int) -> None:
    with pytest.raises(Problem) as refused:
        bodies.from_form(content_type, body)

    assert refused.value.status == status


@pytest.mark.parametrize("kind", ["", "text/plain", "image/png", "application/xml"])
def test_other_content_types_are_refused(kind: str) -> None:
    with pytest.raises(Problem) as refused:
        bodies.extractor(kind, b"")

    assert refused.value.status == 415


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=utf-8"])
def test_content_type_is_read_as_it_is_written(kind: str) -> None:
    body = _json(base64.b64encode(_PICTURE).decode())

    assert bodies.extractor(kind, body)() == _PICTURE
    assert bodies.extractor(_BOUNDARY, _form("file", _PICTURE))() == _PICTURE
