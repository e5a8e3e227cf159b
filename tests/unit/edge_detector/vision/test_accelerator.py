import pytest
from edge_detector.vision import accelerator as accelerators
from edge_detector.vision.accelerator import Accelerator, Plugin
from maskwatch_runtime.errors import Misconfigured
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
    one.used()
    told.append(one.told("litert 2.3.0"))
    one.lost("")
    told.append(one.told("litert 2.3.0"))

    assert told == ["litert 2.3.0", "litert 2.3.0 + libnpu.so", "litert 2.3.0"]
