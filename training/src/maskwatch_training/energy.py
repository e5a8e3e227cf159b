"""Energy and CO2 of a piece of work, by CodeCarbon, without any network."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

COUNTRY_VARIABLE = "MASKWATCH_TRAINING_COUNTRY"
_DEFAULT_COUNTRY = "DEU"
_SAMPLE_EVERY_S = 5.0


@dataclass(frozen=True)
class Spent:
    """Energy in kWh and emissions in kg CO2-equivalent; the grid is the country's (ISO 3166)."""

    kwh: float
    co2_kg: float
    country: str

    def as_mapping(self) -> dict[str, Any]:
        """Give it for a JSON file."""
        return asdict(self)


class Meter:
    """A running CodeCarbon tracker; an estimate where the machine shows no power counters."""

    def __init__(self) -> None:
        # Here: the import alone takes seconds.
        from codecarbon import OfflineEmissionsTracker

        logging.getLogger("codecarbon").setLevel(logging.ERROR)
        self._country = os.environ.get(COUNTRY_VARIABLE, _DEFAULT_COUNTRY)
        self._tracker = OfflineEmissionsTracker(
            country_iso_code=self._country,
            measure_power_secs=_SAMPLE_EVERY_S,
            save_to_file=False,
            log_level="error",
            allow_multiple_runs=True,
        )
        self._tracker.start()
        self._spent: Spent | None = None

    def stop(self) -> Spent:
        """End the measurement; a second call gives the same figures."""
        if self._spent is None:
            co2_kg = self._tracker.stop() or 0.0
            kwh = float(self._tracker.final_emissions_data.energy_consumed)
            self._spent = Spent(kwh, float(co2_kg), self._country)
        return self._spent


@contextmanager
def metered() -> Iterator[Meter]:
    """Meter the body."""
    meter = Meter()
    try:
        yield meter
    finally:
        meter.stop()
