import threading
from collections.abc import Callable

import pytest
from edge_detector.vision import accelerator as accelerators
from edge_detector.vision.accelerator import Accelerator, Plugin
from maskwatch_runtime.errors import Misconfigured, Unavailable
from maskwatch_runtime.retry import Backoff
from structlog.testing import capture_logs


@pytest.mark.parametrize(
    ("text", "plugin"),
    [
        ("libedgetpu.so.1", Plugin("libedgetpu.so.1")),
        ("libedgetpu.so.1?device=usb:0", Plugin("libedgetpu.so.1", {"device": "usb:0"})),
        ("/opt/lib/npu.so?a=1&b=", Plugin("/opt/lib/npu.so", {"a": "1", "b": ""})),
    ],
)
def test_setting_names_a_library_and_its_options(text: str, plugin: Plugin) -> None:
    assert accelerators.parse(text) == plugin


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "MASKWATCH_DELEGATE: '' is neither an absolute path"),
        ("?device=usb", "neither an absolute path"),
        ("lib/npu.so", "'lib/npu.so' is neither an absolute path"),
        ("../npu.so", "neither an absolute path"),
        ("libnpu.so?device", "MASKWATCH_DELEGATE: options are name=value"),
    ],
)
def test_setting_that_names_none_is_refused(text: str, reason: str) -> None:
    with pytest.raises(Misconfigured, match=reason):
        accelerators.parse(text)


@pytest.mark.parametrize(
    ("library", "is_edgetpu"),
    [("libedgetpu.so.1", True), ("/usr/lib/libedgetpu.so.1.0", True), ("/edgetpu/npu.so", False)],
)
def test_edge_tpu_is_known_by_the_library_s_name(library: str, *, is_edgetpu: bool) -> None:
    assert Plugin(library).is_edgetpu is is_edgetpu


def test_loss_is_told_once_in_one_line() -> None:
    reasons: list[str] = []
    one = Accelerator(Plugin("libnpu.so"), on_lost=reasons.append)
    with capture_logs() as lines:
        one.lost("unplugged\n  at node 3")
        one.lost("no answer")

    assert one.is_lost
    assert reasons == ["unplugged at node 3"]
    assert [(line["action"], line["reason"]) for line in lines] == [
        ("fall_back", "unplugged at node 3")
    ]


def test_library_is_named_only_while_a_model_runs_on_it() -> None:
    one = Accelerator(Plugin("/opt/lib/libnpu.so"))
    told = [one.told("litert 2.3.0")]
    one.join(lambda: None)
    told.append(one.told("litert 2.3.0"))
    one.lost("")
    told.append(one.told("litert 2.3.0"))

    assert told == ["litert 2.3.0", "litert 2.3.0 + libnpu.so", "litert 2.3.0"]


class Device:
    """A model's way onto an accelerator that is away for the first tries."""

    def __init__(self, *, away: int) -> None:
        self.away = away
        self.begun = 0

    def begin(self) -> None:
        self.begun += 1
        if self.begun <= self.away:
            raise Unavailable("accelerator", "no device")


def _kept(one: Accelerator, *, until: Callable[[], bool]) -> None:
    """Keep trying, with pauses that are none, until a condition holds at the end of one."""
    stop = threading.Event()

    def pause(_: float, __: float) -> float:
        if until():
            stop.set()
        return 0.0

    one.keep_trying(stop, backoff=Backoff(uniform=pause))


def test_accelerator_that_is_away_at_the_start_is_tried_until_it_is_there() -> None:
    one, device = Accelerator(Plugin("libnpu.so")), Device(away=3)
    one.join(device.begin)
    assert one.is_lost

    _kept(one, until=lambda: not one.is_lost)

    assert device.begun == 4
    assert one.told("litert") == "litert + libnpu.so"


def test_no_model_returns_before_each_of_them_can() -> None:
    one, first, second = Accelerator(Plugin("libnpu.so")), Device(away=0), Device(away=2)
    one.join(first.begin)
    one.join(second.begin)
    assert one.is_lost

    assert [one.resume(), one.resume()] == [False, True]


def test_model_that_joins_a_lost_accelerator_waits_for_its_return() -> None:
    one, device = Accelerator(Plugin("libnpu.so")), Device(away=0)
    one.lost("unplugged")
    one.join(device.begin)
    assert device.begun == 0

    assert one.resume()
    assert device.begun == 1


def test_accelerator_that_is_lost_again_and_again_is_left_alone() -> None:
    one, device = Accelerator(Plugin("libnpu.so")), Device(away=0)
    one.join(device.begin)

    def lose() -> bool:
        one.lost("unplugged")
        return False

    with capture_logs() as lines:
        _kept(one, until=lose)

    assert one.is_lost
    assert device.begun == 20
    assert lines[-1]["event"] == "accelerator lost too often, left alone until the next start"
