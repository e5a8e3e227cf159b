from pathlib import Path

import pytest
from edge_detector.device import heat as heats
from edge_detector.device.heat import Heat, Sensed
from structlog.testing import capture_logs


@pytest.mark.parametrize(
    ("temperature_c", "share"),
    [(20, 1.0), (74.9, 1.0), (75, 0.5), (79.9, 0.5), (80, 0.25), (95, 0.25)],
)
def test_frames_are_halved_when_warm_and_quartered_when_hot(
    temperature_c: float, share: float
) -> None:
    assert Heat().observe(temperature_c, 0.0) == share


def test_limit_is_left_below_the_hysteresis_and_after_the_calm() -> None:
    heat = Heat()
    heat.observe(76, 0)

    assert heat.observe(71, 10) == 0.5  # not cool enough
    assert heat.observe(69, 20) == 0.5  # cool, for no time yet
    assert heat.observe(71, 40) == 0.5  # and no longer
    assert heat.observe(69, 50) == 0.5
    assert heat.observe(69, 79) == 0.5
    assert heat.observe(69, 80) == 1.0
    assert not heat.is_throttling


def test_cooling_down_from_hot_passes_warm() -> None:
    heat = Heat()
    heat.observe(85, 0)
    heat.observe(72, 10)

    assert heat.observe(72, 40) == 0.5
    assert heat.observe(60, 50) == 0.5
    assert heat.observe(60, 80) == 1.0


def test_cold_at_once_leads_back_to_all_frames() -> None:
    heat = Heat()
    heat.observe(85, 0)
    heat.observe(40, 10)

    assert heat.observe(40, 40) == 1.0


def test_oscillation_around_a_limit_changes_the_rate_once() -> None:
    heat = Heat()
    with capture_logs() as lines:
        for second in range(0, 600, 5):
            heat.observe(75.5 if second % 10 else 74.5, second)

    assert [(line["action"], line["share"]) for line in lines] == [("throttle", 0.5)]


def test_sensor_that_goes_away_changes_nothing() -> None:
    heat = Heat()
    heat.observe(85, 0)

    assert heat.observe(None, 1000) == heat.share == 0.25


@pytest.mark.parametrize(("share", "judged"), [(1.0, 60), (0.5, 30), (0.25, 15)])
def test_share_of_the_frames_is_judged(share: float, judged: int) -> None:
    last_s, count = -10.0, 0
    for number in range(60):
        # Ten frames a second that come up to 8 ms early or late.
        now_s = number / 10 + (0.008 if number % 3 else -0.008)
        if heats.is_due(now_s - last_s, fps=10, share=share):
            last_s, count = now_s, count + 1

    assert count == judged


def _zone(thermal: Path, number: int, kind: str, millidegrees: str) -> None:
    zone = thermal / f"thermal_zone{number}"
    zone.mkdir(parents=True)
    (zone / "type").write_text(f"{kind}\n")
    (zone / "temp").write_text(f"{millidegrees}\n")


def test_hottest_processor_counts_and_other_sensors_do_not(tmp_path: Path) -> None:
    _zone(tmp_path, 0, "cpu-thermal", "61200")
    _zone(tmp_path, 1, "x86_pkg_temp", "63500")
    _zone(tmp_path, 2, "iwlwifi_1", "90000")

    assert heats.read(thermal=tmp_path, firmware=tmp_path / "none").temperature_c == 63.5


def test_without_a_processor_s_sensor_the_hottest_one_counts(tmp_path: Path) -> None:
    _zone(tmp_path, 0, "acpitz", "40000")
    _zone(tmp_path, 1, "board", "45000")

    assert heats.read(thermal=tmp_path, firmware=tmp_path / "none").temperature_c == 45.0


@pytest.mark.parametrize("senseless", ["", "hot", "-273000", "65535000"])
def test_sensor_that_says_nonsense_is_none(tmp_path: Path, senseless: str) -> None:
    _zone(tmp_path, 0, "cpu-thermal", senseless)

    assert heats.read(thermal=tmp_path, firmware=tmp_path / "none").temperature_c is None


def test_machine_without_sensors_says_nothing(tmp_path: Path) -> None:
    assert heats.read(thermal=tmp_path / "none", firmware=tmp_path / "none") == Sensed(
        None, is_throttled=False
    )


@pytest.mark.parametrize(
    ("flags", "is_throttled"),
    [("0", False), ("1", False), ("2", True), ("4", True), ("50005", True), ("50000", False)],
)
def test_firmware_s_flags_of_now_count_and_those_of_the_past_do_not(
    tmp_path: Path, flags: str, *, is_throttled: bool
) -> None:
    firmware = tmp_path / "get_throttled"
    firmware.write_text(f"{flags}\n")

    assert heats.read(thermal=tmp_path, firmware=firmware).is_throttled is is_throttled
