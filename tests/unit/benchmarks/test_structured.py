import base64
import json

import pytest
from maskwatch_proto.alert import Alert

from benchmarks import alerts
from benchmarks.alerts import Load
from benchmarks.debezium import structured


@pytest.fixture(params=[0, 9])
def alert(request: pytest.FixtureRequest) -> Alert:
    return next(alerts.made(Load("one", picture_bytes=request.param, messages=1)))


def test_every_value_has_its_field_in_the_schema(alert: Alert) -> None:
    values = json.loads(structured.encode(alert))
    schema = json.loads(structured.schema(has_picture=bool(alert.image.data)))

    assert [field["field"] for field in schema["fields"]] == list(values)


def test_values_are_those_of_the_alert(alert: Alert) -> None:
    values = json.loads(structured.encode(alert))

    assert values["event_id"] == str(alert.event_id)
    assert values["event_time"] == alert.event_time.timestamp() * 1_000_000
    assert values["label"] == "no_mask"
    assert base64.b64decode(values.get("data", "")) == alert.image.data


def test_message_with_its_schema_holds_both(alert: Alert) -> None:
    schema, values = structured.schema(has_picture=True), structured.encode(alert)

    whole = json.loads(structured.with_schema(values, schema))

    assert whole == {"schema": json.loads(schema), "payload": json.loads(values)}


def test_only_the_event_id_is_required() -> None:
    fields = json.loads(structured.schema(has_picture=True))["fields"]

    assert [field["field"] for field in fields if not field["optional"]] == ["event_id"]
