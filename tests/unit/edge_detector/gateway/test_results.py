import base64
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from edge_detector.gateway import results
from edge_detector.gateway.results import InvalidResult, Limits, Reason, Result
from hypothesis import given
from hypothesis import strategies as st

_LIMITS = Limits(picture_bytes_max=1000)
# 1 x 1 px: a start of frame is all that is looked at.
_JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffc0000b080001000101011100ffd9")


def _parse(message: object, board: str | None = "b1") -> Result:
    return results.parse(json.dumps(message).encode(), board=board, limits=_LIMITS)


@pytest.mark.parametrize(
    "message",
    [
        {"results": {"mask": 0.9, "no_mask": 0.1}},
        {"classification": {"mask": 0.9, "no_mask": 0.1}},
        {"result": {"classification": {"mask": 0.9, "no_mask": 0.1}}},
        {"results": [{"label": "mask", "value": 0.9}, {"label": "no_mask", "value": 0.1}]},
        {"data": [{"label": "mask", "value": "0.9"}, {"label": "no_mask", "value": "0.1"}]},
        [{"label": "mask", "value": 0.9}, {"label": "no_mask", "value": 0.1}],
        {
            "bounding_boxes": [
                {"label": "mask", "value": 0.9, "x": 0, "y": 0, "width": 8, "height": 8},
                {"label": "mask", "value": 0.4, "x": 8, "y": 0, "width": 8, "height": 8},
                {"label": "no_mask", "value": 0.1, "x": 0, "y": 8, "width": 8, "height": 8},
            ]
        },
    ],
)
def test_every_form_in_use_says_the_same(message: object) -> None:
    result = _parse(message)

    assert result.values == {"mask": 0.9, "no_mask": 0.1}
    assert result.board == "b1"
    assert result.key is None


def test_object_detector_that_saw_nothing_is_a_result() -> None:
    assert _parse({"bounding_boxes": []}).values == {}


def test_board_comes_from_the_message_or_from_the_way_and_they_have_to_agree() -> None:
    message = {"device": "b1", "results": {"mask": 1}}

    assert _parse(message, board=None).board == "b1"
    assert _parse(message, board="b1").board == "b1"
    with pytest.raises(InvalidResult, match="differs"):
        _parse(message, board="b2")


@pytest.mark.parametrize("board", [None, 7, "", "a/b", "+", "#", "x\n", "<b>", "x" * 101])
def test_board_that_is_no_name_is_refused(board: object) -> None:
    with pytest.raises(InvalidResult, match="device is no name"):
        _parse({"device": board, "results": {"mask": 1}}, board=None)


@pytest.mark.parametrize(
    "value", ["NaN", "Infinity", "-Infinity", "-0.01", "1.02", "1e400", '"inf"']
)
def test_value_that_is_no_probability_is_refused_with_its_reason(value: str) -> None:
    with pytest.raises(InvalidResult) as refused:
        results.parse(f'{{"results": {{"mask": {value}}}}}'.encode(), board="b", limits=_LIMITS)

    assert refused.value.reason is Reason.VALUE_OUT_OF_RANGE


def test_sum_of_rounded_outputs_may_be_a_little_more_than_one() -> None:
    assert _parse({"results": {"mask": 1.003}}).values == {"mask": 1.0}


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        (b"", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[" * 5000, "no JSON"),
        (b"null", "none of results"),
        (b"{}", "none of results"),
        (b'{"results": {}}', "empty"),
        (b'{"results": 3}', "no list and no object"),
        (b'{"results": [3]}', "an entry is not"),
        (b'{"results": [{"label": 3, "value": 1}]}', "an entry is not"),
        (b'{"results": {"mask": true}}', "no number"),
        (b'{"results": {"mask": null}}', "no number"),
        (b'{"results": {"mask": "much"}}', "no number"),
        (b'{"results": {"mask": ' + b"9" * 400 + b"}}", "no number"),
        (b'{"results": {"a\\u0000": 1}}', "a label is no short"),
        (json.dumps({"results": {str(n): 0 for n in range(65)}}).encode(), "more than 64"),
        (b'{"results": {"mask": 1}, "id": [1]}', "id is no number"),
        (b'{"results": {"mask": 1}, "id": true}', "id is no number"),
        (b'{"results": {"mask": 1}, "timestamp": "noon"}', "timestamp is neither"),
        (b'{"results": {"mask": 1}, "timestamp": []}', "timestamp is neither"),
        (b'{"results": {"mask": 1}, "timestamp": 1e300}', "timestamp is neither"),
        (b" " * 20_000, "at most"),
    ],
)
def test_what_is_no_result_is_refused_and_told_why(payload: bytes, told: str) -> None:
    with pytest.raises(InvalidResult, match=told):
        results.parse(payload, board="b1", limits=_LIMITS)


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    ["results", "data", "device", "id", "timestamp", "picture", "label"]
                )
                | st.text(),
                inner,
            )
        ),
    ).map(lambda told: json.dumps(told).encode())
)
def test_no_message_whatever_is_more_than_refused(payload: bytes) -> None:
    try:
        values = results.parse(payload, board="b1", limits=_LIMITS).values
    except InvalidResult:
        return
    assert all(0 <= value <= 1 for value in values.values())


def test_time_is_read_from_seconds_milliseconds_and_iso() -> None:
    moment = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
    iso = moment.astimezone(timezone(timedelta(hours=2))).isoformat()
    for told in (moment.timestamp(), moment.timestamp() * 1000, iso, "2026-05-01T12:00:00"):
        assert _parse({"results": {"mask": 1}, "timestamp": told}).told_at == moment


def test_two_deliveries_are_one_by_id_or_by_content_with_a_time() -> None:
    with_id = {"results": {"mask": 1}, "id": 7}
    with_time = {"results": {"mask": 1}, "timestamp": 1_770_000_000}

    assert _parse(with_id).key == _parse({**with_id, "results": {"mask": 0.5}}).key
    assert _parse(with_time).key == _parse(with_time).key
    assert _parse(with_time).key != _parse({**with_time, "timestamp": 1_770_000_001}).key


def test_picture_comes_as_base64_or_as_a_data_url() -> None:
    encoded = base64.b64encode(_JPEG).decode()
    for told in (encoded, f"data:image/jpeg;base64,{encoded}"):
        picture = _parse({"results": {"mask": 1}, "picture": told}).picture
        assert picture is not None
        assert (picture.format, picture.width, picture.height) == ("jpg", 1, 1)
    assert _parse({"results": {"mask": 1}, "picture": ""}).picture is None


@pytest.mark.parametrize(
    "told",
    [3, "%%%", base64.b64encode(b"no picture").decode(), base64.b64encode(_JPEG[:20]).decode()],
)
def test_picture_that_is_none_is_refused(told: object) -> None:
    with pytest.raises(InvalidResult) as refused:
        _parse({"results": {"mask": 1}, "picture": told})

    assert refused.value.reason is Reason.BAD_PICTURE
