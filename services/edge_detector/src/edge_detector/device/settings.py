from typing import Self

from maskwatch_runtime.settings import ServiceSettings
from pydantic import Field, field_validator, model_validator

from edge_detector.device.care import Pace
from edge_detector.device.heat import Limits
from edge_detector.vision import accelerator
from edge_detector.vision.accelerator import Plugin


class DeviceSettings(ServiceSettings):
    """How the device is looked after, and what its models run on."""

    delegate: Plugin | None = None
    heartbeat_s: float = Field(default=60.0, ge=5, le=3600)
    heat_warm_c: float = Field(default=75.0, ge=30, le=120)
    heat_hot_c: float = Field(default=80.0, ge=30, le=120)

    @field_validator("delegate", mode="before")
    @classmethod
    def _parse(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return accelerator.parse(value) if value else None

    @model_validator(mode="after")
    def _check_heat(self) -> Self:
        if self.heat_hot_c < self.heat_warm_c:
            raise ValueError("HEAT_HOT_C is lower than HEAT_WARM_C")
        return self

    @property
    def heat_limits(self) -> Limits:
        return Limits(warm_c=self.heat_warm_c, hot_c=self.heat_hot_c)

    @property
    def care_pace(self) -> Pace:
        return Pace(heartbeat_s=self.heartbeat_s)
