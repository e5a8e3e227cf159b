from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Label(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LABEL_UNSPECIFIED: _ClassVar[Label]
    LABEL_MASK: _ClassVar[Label]
    LABEL_NO_MASK: _ClassVar[Label]
    LABEL_BAD_MASK: _ClassVar[Label]
    LABEL_UNSURE: _ClassVar[Label]

class ClockQuality(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CLOCK_QUALITY_UNSPECIFIED: _ClassVar[ClockQuality]
    CLOCK_QUALITY_SYNCHRONISED: _ClassVar[ClockQuality]
    CLOCK_QUALITY_UNCERTAIN: _ClassVar[ClockQuality]
LABEL_UNSPECIFIED: Label
LABEL_MASK: Label
LABEL_NO_MASK: Label
LABEL_BAD_MASK: Label
LABEL_UNSURE: Label
CLOCK_QUALITY_UNSPECIFIED: ClockQuality
CLOCK_QUALITY_SYNCHRONISED: ClockQuality
CLOCK_QUALITY_UNCERTAIN: ClockQuality

class Alert(_message.Message):
    __slots__ = ("event_time", "created_by", "location", "face_detection_model", "mask_classifier_model", "probability", "image", "event_id", "label", "face_box", "episode_id", "camera", "runtime", "boot_id", "sequence", "clock_quality", "schema_version", "episode_started_at")
    EVENT_TIME_FIELD_NUMBER: _ClassVar[int]
    CREATED_BY_FIELD_NUMBER: _ClassVar[int]
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    FACE_DETECTION_MODEL_FIELD_NUMBER: _ClassVar[int]
    MASK_CLASSIFIER_MODEL_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    FACE_BOX_FIELD_NUMBER: _ClassVar[int]
    EPISODE_ID_FIELD_NUMBER: _ClassVar[int]
    CAMERA_FIELD_NUMBER: _ClassVar[int]
    RUNTIME_FIELD_NUMBER: _ClassVar[int]
    BOOT_ID_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    CLOCK_QUALITY_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    EPISODE_STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    event_time: str
    created_by: Device
    location: Location
    face_detection_model: Model
    mask_classifier_model: Model
    probability: float
    image: Image
    event_id: str
    label: Label
    face_box: FaceBox
    episode_id: str
    camera: str
    runtime: str
    boot_id: str
    sequence: int
    clock_quality: ClockQuality
    schema_version: int
    episode_started_at: str
    def __init__(self, event_time: _Optional[str] = ..., created_by: _Optional[_Union[Device, _Mapping]] = ..., location: _Optional[_Union[Location, _Mapping]] = ..., face_detection_model: _Optional[_Union[Model, _Mapping]] = ..., mask_classifier_model: _Optional[_Union[Model, _Mapping]] = ..., probability: _Optional[float] = ..., image: _Optional[_Union[Image, _Mapping]] = ..., event_id: _Optional[str] = ..., label: _Optional[_Union[Label, str]] = ..., face_box: _Optional[_Union[FaceBox, _Mapping]] = ..., episode_id: _Optional[str] = ..., camera: _Optional[str] = ..., runtime: _Optional[str] = ..., boot_id: _Optional[str] = ..., sequence: _Optional[int] = ..., clock_quality: _Optional[_Union[ClockQuality, str]] = ..., schema_version: _Optional[int] = ..., episode_started_at: _Optional[str] = ...) -> None: ...

class Device(_message.Message):
    __slots__ = ("type", "guid", "enrolled_on")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    GUID_FIELD_NUMBER: _ClassVar[int]
    ENROLLED_ON_FIELD_NUMBER: _ClassVar[int]
    type: str
    guid: str
    enrolled_on: str
    def __init__(self, type: _Optional[str] = ..., guid: _Optional[str] = ..., enrolled_on: _Optional[str] = ...) -> None: ...

class Location(_message.Message):
    __slots__ = ("longitude", "latitude")
    LONGITUDE_FIELD_NUMBER: _ClassVar[int]
    LATITUDE_FIELD_NUMBER: _ClassVar[int]
    longitude: float
    latitude: float
    def __init__(self, longitude: _Optional[float] = ..., latitude: _Optional[float] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("name", "guid", "threshold")
    NAME_FIELD_NUMBER: _ClassVar[int]
    GUID_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    name: str
    guid: str
    threshold: float
    def __init__(self, name: _Optional[str] = ..., guid: _Optional[str] = ..., threshold: _Optional[float] = ...) -> None: ...

class Image(_message.Message):
    __slots__ = ("format", "size", "data")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    format: str
    size: Size
    data: bytes
    def __init__(self, format: _Optional[str] = ..., size: _Optional[_Union[Size, _Mapping]] = ..., data: _Optional[bytes] = ...) -> None: ...

class Size(_message.Message):
    __slots__ = ("width", "height")
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    width: int
    height: int
    def __init__(self, width: _Optional[int] = ..., height: _Optional[int] = ...) -> None: ...

class FaceBox(_message.Message):
    __slots__ = ("left", "top", "right", "bottom")
    LEFT_FIELD_NUMBER: _ClassVar[int]
    TOP_FIELD_NUMBER: _ClassVar[int]
    RIGHT_FIELD_NUMBER: _ClassVar[int]
    BOTTOM_FIELD_NUMBER: _ClassVar[int]
    left: float
    top: float
    right: float
    bottom: float
    def __init__(self, left: _Optional[float] = ..., top: _Optional[float] = ..., right: _Optional[float] = ..., bottom: _Optional[float] = ...) -> None: ...
