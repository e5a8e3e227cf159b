from maskwatch_proto import alert_pb2 as _alert_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CameraState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CAMERA_STATE_UNSPECIFIED: _ClassVar[CameraState]
    CAMERA_STATE_DOWN: _ClassVar[CameraState]
    CAMERA_STATE_UP: _ClassVar[CameraState]
CAMERA_STATE_UNSPECIFIED: CameraState
CAMERA_STATE_DOWN: CameraState
CAMERA_STATE_UP: CameraState

class DeviceEvent(_message.Message):
    __slots__ = ("event_id", "event_time", "device", "location", "camera", "boot_id", "sequence", "clock_quality", "episode_ended", "compliance", "camera_changed", "heartbeat", "schema_version")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    CAMERA_FIELD_NUMBER: _ClassVar[int]
    BOOT_ID_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    CLOCK_QUALITY_FIELD_NUMBER: _ClassVar[int]
    EPISODE_ENDED_FIELD_NUMBER: _ClassVar[int]
    COMPLIANCE_FIELD_NUMBER: _ClassVar[int]
    CAMERA_CHANGED_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    event_time: str
    device: _alert_pb2.Device
    location: _alert_pb2.Location
    camera: str
    boot_id: str
    sequence: int
    clock_quality: _alert_pb2.ClockQuality
    episode_ended: EpisodeEnded
    compliance: Compliance
    camera_changed: CameraChanged
    heartbeat: Heartbeat
    schema_version: int
    def __init__(self, event_id: _Optional[str] = ..., event_time: _Optional[str] = ..., device: _Optional[_Union[_alert_pb2.Device, _Mapping]] = ..., location: _Optional[_Union[_alert_pb2.Location, _Mapping]] = ..., camera: _Optional[str] = ..., boot_id: _Optional[str] = ..., sequence: _Optional[int] = ..., clock_quality: _Optional[_Union[_alert_pb2.ClockQuality, str]] = ..., episode_ended: _Optional[_Union[EpisodeEnded, _Mapping]] = ..., compliance: _Optional[_Union[Compliance, _Mapping]] = ..., camera_changed: _Optional[_Union[CameraChanged, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ..., schema_version: _Optional[int] = ...) -> None: ...

class EpisodeEnded(_message.Message):
    __slots__ = ("episode_id", "started_at", "duration_s", "label", "violated", "mask_put_on_after_s")
    EPISODE_ID_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    DURATION_S_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    VIOLATED_FIELD_NUMBER: _ClassVar[int]
    MASK_PUT_ON_AFTER_S_FIELD_NUMBER: _ClassVar[int]
    episode_id: str
    started_at: str
    duration_s: float
    label: _alert_pb2.Label
    violated: bool
    mask_put_on_after_s: float
    def __init__(self, episode_id: _Optional[str] = ..., started_at: _Optional[str] = ..., duration_s: _Optional[float] = ..., label: _Optional[_Union[_alert_pb2.Label, str]] = ..., violated: _Optional[bool] = ..., mask_put_on_after_s: _Optional[float] = ...) -> None: ...

class Compliance(_message.Message):
    __slots__ = ("window_start", "window_s", "observed_s", "people", "with_mask", "without_mask", "badly_worn", "unsure")
    WINDOW_START_FIELD_NUMBER: _ClassVar[int]
    WINDOW_S_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_S_FIELD_NUMBER: _ClassVar[int]
    PEOPLE_FIELD_NUMBER: _ClassVar[int]
    WITH_MASK_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_MASK_FIELD_NUMBER: _ClassVar[int]
    BADLY_WORN_FIELD_NUMBER: _ClassVar[int]
    UNSURE_FIELD_NUMBER: _ClassVar[int]
    window_start: str
    window_s: float
    observed_s: float
    people: int
    with_mask: int
    without_mask: int
    badly_worn: int
    unsure: int
    def __init__(self, window_start: _Optional[str] = ..., window_s: _Optional[float] = ..., observed_s: _Optional[float] = ..., people: _Optional[int] = ..., with_mask: _Optional[int] = ..., without_mask: _Optional[int] = ..., badly_worn: _Optional[int] = ..., unsure: _Optional[int] = ...) -> None: ...

class CameraChanged(_message.Message):
    __slots__ = ("state", "reason", "since", "down_s")
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    DOWN_S_FIELD_NUMBER: _ClassVar[int]
    state: CameraState
    reason: str
    since: str
    down_s: float
    def __init__(self, state: _Optional[_Union[CameraState, str]] = ..., reason: _Optional[str] = ..., since: _Optional[str] = ..., down_s: _Optional[float] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ("version", "models", "runtime", "uptime_s", "temperature_c", "is_throttled", "disk_free_bytes", "waiting", "oldest_waiting_s", "cameras", "problems")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    RUNTIME_FIELD_NUMBER: _ClassVar[int]
    UPTIME_S_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_C_FIELD_NUMBER: _ClassVar[int]
    IS_THROTTLED_FIELD_NUMBER: _ClassVar[int]
    DISK_FREE_BYTES_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    OLDEST_WAITING_S_FIELD_NUMBER: _ClassVar[int]
    CAMERAS_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    version: str
    models: _containers.RepeatedScalarFieldContainer[str]
    runtime: str
    uptime_s: float
    temperature_c: float
    is_throttled: bool
    disk_free_bytes: int
    waiting: int
    oldest_waiting_s: float
    cameras: _containers.RepeatedCompositeFieldContainer[CameraPulse]
    problems: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, version: _Optional[str] = ..., models: _Optional[_Iterable[str]] = ..., runtime: _Optional[str] = ..., uptime_s: _Optional[float] = ..., temperature_c: _Optional[float] = ..., is_throttled: _Optional[bool] = ..., disk_free_bytes: _Optional[int] = ..., waiting: _Optional[int] = ..., oldest_waiting_s: _Optional[float] = ..., cameras: _Optional[_Iterable[_Union[CameraPulse, _Mapping]]] = ..., problems: _Optional[_Iterable[str]] = ...) -> None: ...

class CameraPulse(_message.Message):
    __slots__ = ("name", "is_up", "fps")
    NAME_FIELD_NUMBER: _ClassVar[int]
    IS_UP_FIELD_NUMBER: _ClassVar[int]
    FPS_FIELD_NUMBER: _ClassVar[int]
    name: str
    is_up: bool
    fps: float
    def __init__(self, name: _Optional[str] = ..., is_up: _Optional[bool] = ..., fps: _Optional[float] = ...) -> None: ...
