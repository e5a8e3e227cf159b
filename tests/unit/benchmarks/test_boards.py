"""The boards of the gateway's benchmark: what they send, and which alerts have to follow."""

import ssl

import pytest
from edge_detector.gateway.compose import event_id_of

from benchmarks.edge import boards
from benchmarks.edge.boards import Boards


@pytest.mark.parametrize(("seconds", "results"), [(0, 0), (3, 0), (4, 4), (30, 28), (300, 300)])
def test_everybody_has_left_at_the_end(seconds: float, results: int) -> None:
    assert boards.whole_patterns(seconds) == results


def test_third_result_of_each_person_is_an_alert() -> None:
    load = Boards(ssl.create_default_context(), 1883, number=2, results=8)

    expected = {str(event_id_of(f"gw/board-00{board}", at)) for board in (0, 1) for at in (2, 6)}
    assert load.alert_ids == expected
    assert load.total == 16
