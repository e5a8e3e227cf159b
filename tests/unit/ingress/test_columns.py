from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import pytest
from ingress import columns, statements
from maskwatch_proto.alert import Alert, Device, Image, Model


def test_no_rows_have_no_columns() -> None:
    assert columns.transposed([]) == []


def test_alerts_fill_every_parameter_of_the_statement(make_alert: Callable[[int], Alert]) -> None:
    arrays = columns.alerts([make_alert(1), make_alert(2)])

    parents = 3  # behind them: ids of devices, face models and mask models
    for number in range(1, len(arrays) + parents + 1):
        assert f"${number}::" in statements.ALERTS
    assert f"${len(arrays) + parents + 1}::" not in statements.ALERTS
    assert {len(array) for array in arrays} == {2}
    assert arrays[0] == (UUID(int=1), UUID(int=2))


def test_alert_without_a_box_has_no_corners(make_alert: Callable[[int], Alert]) -> None:
    whole, bare = make_alert(1), make_alert(2).model_copy(update={"face_box": None})

    corners = columns.alerts([whole, bare])[10:14]

    assert corners == [(1, None), (2, None), (3, None), (4, None)]


def test_pictures_belong_to_new_alerts_that_have_one(make_alert: Callable[[int], Alert]) -> None:
    new, old, empty = make_alert(1), make_alert(2), make_alert(3)
    empty = empty.model_copy(update={"image": Image()})

    arrays = columns.images({new.event_id: 10, empty.event_id: 11}, [new, old, empty])

    assert arrays == [(10,), ("jpg",), (640,), (480,), (b"picture",)]


def test_no_new_pictures_have_no_columns(make_alert: Callable[[int], Alert]) -> None:
    assert columns.images({}, [make_alert(1)]) == []


def test_devices_are_sorted_so_that_batches_lock_in_one_order(
    make_alert: Callable[[int], Alert],
) -> None:
    arrays = columns.devices([make_alert(2), make_alert(0), make_alert(1)])

    assert arrays[0] == ("door-0", "door-1", "door-2")


def test_models_are_sorted_by_id() -> None:
    arrays = columns.models([Model(guid="b", name="second"), Model(guid="a", name="first")])

    assert arrays == [("a", "b"), ("first", "second"), (0.0, 0.0)]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("", None),
        ("last spring", None),
        ("2025-12-31", datetime(2025, 12, 31)),  # noqa: DTZ001 - PostgreSQL's timestamp has no zone
        ("2025-12-31 10:11:12.5", datetime(2025, 12, 31, 10, 11, 12, 500_000)),  # noqa: DTZ001
        ("2025-12-31T10:00:00+02:00", datetime(2025, 12, 31, 8)),  # noqa: DTZ001
        ("0001-01-01T00:00:00+14:00", None),
    ],
)
def test_enrolment_is_a_time_or_nothing(text: str, moment: datetime | None) -> None:
    assert columns.enrolled_at(text) == moment


@pytest.mark.parametrize(
    ("said", "kept"), [("2025-12-31", None), ("last spring", "last spring"), ("", None)]
)
def test_enrolment_that_is_no_time_is_kept_as_text(
    said: str, kept: str | None, make_alert: Callable[[int], Alert]
) -> None:
    device = Device(guid="door", enrolled_on=said)

    arrays = columns.devices([make_alert(1).model_copy(update={"device": device})])

    assert arrays[3] == (kept,)
