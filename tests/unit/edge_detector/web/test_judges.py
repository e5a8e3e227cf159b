import asyncio
from collections.abc import Callable

import pytest
from edge_detector.web.judges import Judges
from edge_detector.web.problems import Problem

from tests.unit.edge_detector.web.conftest import FakeDetector, faces, until

_FACE = ((100.0, 200.0, 300.0, 400.0), 0.9, (0.1, 0.8, 0.1))


async def test_boxes_of_a_picture_decoded_smaller_are_told_in_its_own_px(
    judges: Judges, detector: FakeDetector, encode: Callable[..., bytes]
) -> None:
    detector.answer = faces(_FACE)
    data = encode("JPEG", size=(4200, 3000))

    judged = await judges.judge(lambda: data)

    assert judged.size_wh == (4200, 3000)
    assert detector.seen[0].shape == (1500, 2100, 3)
    assert judged.faces.xyxy_px.tolist() == [[200, 400, 600, 800]]
    assert judged.decode_ms > 0
    assert judged.inference_ms >= 0


async def test_who_comes_when_all_places_are_taken_has_to_come_back(judges: Judges) -> None:
    with judges.admission(), judges.admission():
        with judges.admission(), pytest.raises(Problem) as refused, judges.admission():
            pytest.fail("a fourth was admitted")
        with judges.admission():
            pass

    assert refused.value.status == 429
    assert int(refused.value.headers["Retry-After"]) >= 1


async def test_a_damaged_picture_gives_the_place_and_the_detector_back(
    judges: Judges, detector: FakeDetector, encode: Callable[..., bytes]
) -> None:
    for _ in range(5):
        with pytest.raises(Problem), judges.admission():
            await judges.judge(lambda: b"no picture")

    with judges.admission():
        await judges.judge(encode)
    assert len(detector.seen) == 1


async def test_event_loop_goes_on_while_a_detector_is_busy(
    judges: Judges, detector: FakeDetector, encode: Callable[..., bytes]
) -> None:
    detector.may_answer.clear()
    judging = asyncio.create_task(judges.judge(encode))
    await until(lambda: bool(detector.seen))

    assert not judging.done()
    detector.may_answer.set()
    await judging


async def test_closed_pool_refuses_and_finishes_what_is_in_hand(
    judges: Judges, detector: FakeDetector, encode: Callable[..., bytes]
) -> None:
    detector.may_answer.clear()
    judging = asyncio.create_task(judges.judge(encode))
    await until(lambda: bool(detector.seen))
    closing = asyncio.create_task(asyncio.to_thread(judges.close))
    detector.may_answer.set()
    await closing

    assert (await judging).size_wh == (8, 6)
    with pytest.raises(Problem) as refused, judges.admission():
        pytest.fail("admitted")
    assert refused.value.status == 503
    with pytest.raises(Problem) as late:
        await judges.judge(encode)
    assert late.value.status == 503
