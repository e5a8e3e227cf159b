from datetime import timedelta
from pathlib import Path

from maskwatch_runtime.outbox.eviction import Limits
from maskwatch_runtime.settings import KafkaSettings
from pydantic import Field


class DispatcherSettings(KafkaSettings):
    """The dispatcher's settings; its README has them in a table."""

    outbox_path: Path
    batch_rows: int = Field(default=2000, ge=1, le=10_000)
    batch_bytes: int = Field(default=4 * 1024 * 1024, ge=1)
    keep_sent_hours: float = Field(default=72.0, ge=0)
    outbox_bytes_max: int = Field(default=2 * 1024**3, ge=1024 * 1024)
    disk_free_bytes_min: int = Field(default=64 * 1024**2, ge=0)
    housekeeping_s: float = Field(default=30.0, gt=0)

    @property
    def limits(self) -> Limits:
        return Limits(
            keep_sent=timedelta(hours=self.keep_sent_hours),
            size_bytes_max=self.outbox_bytes_max,
            room_bytes_min=self.disk_free_bytes_min,
        )
