from maskwatch_runtime.settings import KafkaSettings, PostgresSettings
from pydantic import Field


class IngressSettings(KafkaSettings, PostgresSettings):
    """The settings of `python -m ingress run`; the README has them in a table."""

    consumer_group: str = Field(default="ingress", min_length=1)
    # Of alerts without a picture; with pictures the bytes fetched end a batch long before.
    batch_records: int = Field(default=2000, ge=1, le=10_000)
    writers: int = Field(default=3, ge=1, le=32)
    partition_fetch_bytes: int = Field(default=1024 * 1024, ge=64 * 1024, le=64 * 1024 * 1024)
    dead_letters_max: int = Field(default=1000, ge=0)
    sequence_check_s: float = Field(default=60.0, gt=0, le=3600)


class MigrateSettings(PostgresSettings):
    """The settings of `python -m ingress migrate`."""


class TopicsSettings(KafkaSettings):
    """The settings of `python -m ingress topics`."""

    kafka_replication: int = Field(default=1, ge=1, le=32_767)
