from collections import Counter

from benchmarks import alerts
from benchmarks.alerts import Load


def test_load_has_so_many_alerts_from_so_many_devices_in_order() -> None:
    made = list(alerts.made(Load("some", picture_bytes=5, messages=12, devices=4)))

    assert Counter(alert.device.guid for alert in made) == {f"door-{n}": 3 for n in range(4)}
    assert [alert.sequence for alert in made] == list(range(12))
    assert len({alert.event_id for alert in made}) == 12
    assert {len(alert.image.data) for alert in made} == {5}
