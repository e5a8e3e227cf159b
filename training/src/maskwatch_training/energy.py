"""Energy and CO2 of a piece of work, by CodeCarbon: no network, no file, no prompt."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from codecarbon import OfflineEmissionsTracker

COUNTRY_VARIABLE = "MASKWATCH_TRAINING_COUNTRY"
_DEFAULT_COUNTRY = "DEU"
_SAMPLE_EVERY_S = 5.0
_START_WITHIN_S = 3.0  # asking the machine what it has takes 2-3 s the first time in a process
_STOP_WITHIN_S = 10.0  # a short piece of work on a busy machine ends before its tracker is there
_ESTIMATE = "CodeCarbon, this process: power counters where the machine has them, else an estimate"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Spent:
    """Energy in kWh and emissions in kg CO2-equivalent; the grid is the country's (ISO 3166).

    Both are None when nothing could be measured; `note` says how it was measured, or why not.
    """

    kwh: float | None
    co2_kg: float | None
    country: str
    note: str = _ESTIMATE

    def as_mapping(self) -> dict[str, Any]:
        """Give it for a JSON file."""
        return asdict(self)


class Meter:
    """A running measurement; whatever goes wrong with it is a note, never an error of the work.

    Args:
        make: Builds a tracker that is not started yet, for a country.
        start_within_s: The work waits no longer than this for the tracker; a later start misses
            the beginning, which the note says.
        stop_within_s: At its end the work waits so long for a tracker that is still starting.
    """

    def __init__(
        self,
        make: Callable[[str], OfflineEmissionsTracker] | None = None,
        *,
        start_within_s: float = _START_WITHIN_S,
        stop_within_s: float = _STOP_WITHIN_S,
    ) -> None:
        self._make = make or _offline_tracker
        self._start_within_s, self._stop_within_s = start_within_s, stop_within_s
        self._country = os.environ.get(COUNTRY_VARIABLE, _DEFAULT_COUNTRY).upper()
        self._tracker: OfflineEmissionsTracker | None = None
        self._fault = ""
        self._spent: Spent | None = None
        # A thread: a driver that hangs while it is asked for its power must not hold the work up.
        self._starter = threading.Thread(target=self._start, name="energy", daemon=True)
        self._starter.start()
        self._starter.join(start_within_s)
        self._is_late = self._starter.is_alive()

    def stop(self) -> Spent:
        """End the measurement; a second call gives the same figures."""
        if self._spent is None:
            self._starter.join(self._stop_within_s)
            self._spent = self._measured()
            if self._spent.kwh is None:
                _log.warning("energy not measured: %s", self._spent.note)
        return self._spent

    def _start(self) -> None:
        try:
            tracker = self._make(self._country)
            tracker.start()
        except Exception as error:  # noqa: BLE001 - an extra that must not stop the work
            self._fault = f"{type(error).__name__}: {error}"
        else:
            self._tracker = tracker

    def _measured(self) -> Spent:
        if self._tracker is None:
            waited_s = self._start_within_s + self._stop_within_s
            why = self._fault or f"CodeCarbon did not start within {waited_s:g} s"
            return Spent(None, None, self._country, why)
        try:
            co2_kg = self._tracker.stop()
            found = self._tracker.final_emissions_data
        except Exception as error:  # noqa: BLE001 - the same
            return Spent(None, None, self._country, f"{type(error).__name__}: {error}")
        note = _ESTIMATE
        if self._is_late:
            note += f"; it missed more than the first {self._start_within_s:g} s"
        if not found.country_name:
            note += f"; country {self._country} is not in its table, so CO2 is a world average"
        return Spent(float(found.energy_consumed), float(co2_kg or 0.0), self._country, note)


@contextmanager
def metered() -> Iterator[Meter]:
    """Meter the body."""
    meter = Meter()
    try:
        yield meter
    finally:
        meter.stop()


def _offline_tracker(country: str) -> OfflineEmissionsTracker:
    # Here: the import alone takes a second on a slow machine.
    from codecarbon import OfflineEmissionsTracker

    logging.getLogger("codecarbon").setLevel(logging.ERROR)
    return OfflineEmissionsTracker(
        country_iso_code=country,
        measure_power_secs=_SAMPLE_EVERY_S,
        # Stated, though some are defaults: a .codecarbon.config of the user could say otherwise.
        output_methods=[],
        emissions_endpoint=None,
        log_level="error",
        allow_multiple_runs=True,  # without it there is a lock file, and handlers of signals
        # The work's own share: trainings often run beside each other.
        tracking_mode="process",
    )
