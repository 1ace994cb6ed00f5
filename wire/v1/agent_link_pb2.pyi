from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AgentMessage(_message.Message):
    __slots__ = ("register", "telemetry", "outcome", "event", "heartbeat")
    REGISTER_FIELD_NUMBER: _ClassVar[int]
    TELEMETRY_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    register: Register
    telemetry: Telemetry
    outcome: Outcome
    event: Event
    heartbeat: Heartbeat
    def __init__(self, register: _Optional[_Union[Register, _Mapping]] = ..., telemetry: _Optional[_Union[Telemetry, _Mapping]] = ..., outcome: _Optional[_Union[Outcome, _Mapping]] = ..., event: _Optional[_Union[Event, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ...) -> None: ...

class HeadendMessage(_message.Message):
    __slots__ = ("registered", "setpoint", "ack", "heartbeat")
    REGISTERED_FIELD_NUMBER: _ClassVar[int]
    SETPOINT_FIELD_NUMBER: _ClassVar[int]
    ACK_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    registered: Registered
    setpoint: Setpoint
    ack: Ack
    heartbeat: Heartbeat
    def __init__(self, registered: _Optional[_Union[Registered, _Mapping]] = ..., setpoint: _Optional[_Union[Setpoint, _Mapping]] = ..., ack: _Optional[_Union[Ack, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ...) -> None: ...

class Register(_message.Message):
    __slots__ = ("asset_ids", "software", "held")
    ASSET_IDS_FIELD_NUMBER: _ClassVar[int]
    SOFTWARE_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    asset_ids: _containers.RepeatedScalarFieldContainer[str]
    software: str
    held: _containers.RepeatedCompositeFieldContainer[Held]
    def __init__(self, asset_ids: _Optional[_Iterable[str]] = ..., software: _Optional[str] = ..., held: _Optional[_Iterable[_Union[Held, _Mapping]]] = ...) -> None: ...

class Held(_message.Message):
    __slots__ = ("epoch", "revision")
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    epoch: str
    revision: int
    def __init__(self, epoch: _Optional[str] = ..., revision: _Optional[int] = ...) -> None: ...

class Registered(_message.Message):
    __slots__ = ("session_id", "headend_time_ms", "fallbacks")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    HEADEND_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    FALLBACKS_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    headend_time_ms: int
    fallbacks: _containers.RepeatedCompositeFieldContainer[Fallback]
    def __init__(self, session_id: _Optional[str] = ..., headend_time_ms: _Optional[int] = ..., fallbacks: _Optional[_Iterable[_Union[Fallback, _Mapping]]] = ...) -> None: ...

class Fallback(_message.Message):
    __slots__ = ("delay_ms", "ramp_w_per_s", "most_w", "least_w")
    DELAY_MS_FIELD_NUMBER: _ClassVar[int]
    RAMP_W_PER_S_FIELD_NUMBER: _ClassVar[int]
    MOST_W_FIELD_NUMBER: _ClassVar[int]
    LEAST_W_FIELD_NUMBER: _ClassVar[int]
    delay_ms: int
    ramp_w_per_s: float
    most_w: float
    least_w: float
    def __init__(self, delay_ms: _Optional[int] = ..., ramp_w_per_s: _Optional[float] = ..., most_w: _Optional[float] = ..., least_w: _Optional[float] = ...) -> None: ...

class Telemetry(_message.Message):
    __slots__ = ("seq", "assets", "time_ms", "power_w", "soc_wh", "available_up_w", "available_down_w", "setpoint_w", "quality", "present", "sent_ms", "impaired")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    ASSETS_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    POWER_W_FIELD_NUMBER: _ClassVar[int]
    SOC_WH_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_UP_W_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_DOWN_W_FIELD_NUMBER: _ClassVar[int]
    SETPOINT_W_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    PRESENT_FIELD_NUMBER: _ClassVar[int]
    SENT_MS_FIELD_NUMBER: _ClassVar[int]
    IMPAIRED_FIELD_NUMBER: _ClassVar[int]
    seq: int
    assets: _containers.RepeatedScalarFieldContainer[int]
    time_ms: _containers.RepeatedScalarFieldContainer[int]
    power_w: _containers.RepeatedScalarFieldContainer[float]
    soc_wh: _containers.RepeatedScalarFieldContainer[float]
    available_up_w: _containers.RepeatedScalarFieldContainer[float]
    available_down_w: _containers.RepeatedScalarFieldContainer[float]
    setpoint_w: _containers.RepeatedScalarFieldContainer[float]
    quality: _containers.RepeatedScalarFieldContainer[int]
    present: _containers.RepeatedScalarFieldContainer[int]
    sent_ms: int
    impaired: _containers.RepeatedCompositeFieldContainer[Impairment]
    def __init__(self, seq: _Optional[int] = ..., assets: _Optional[_Iterable[int]] = ..., time_ms: _Optional[_Iterable[int]] = ..., power_w: _Optional[_Iterable[float]] = ..., soc_wh: _Optional[_Iterable[float]] = ..., available_up_w: _Optional[_Iterable[float]] = ..., available_down_w: _Optional[_Iterable[float]] = ..., setpoint_w: _Optional[_Iterable[float]] = ..., quality: _Optional[_Iterable[int]] = ..., present: _Optional[_Iterable[int]] = ..., sent_ms: _Optional[int] = ..., impaired: _Optional[_Iterable[_Union[Impairment, _Mapping]]] = ...) -> None: ...

class Impairment(_message.Message):
    __slots__ = ("asset", "kind", "detail")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    asset: int
    kind: str
    detail: str
    def __init__(self, asset: _Optional[int] = ..., kind: _Optional[str] = ..., detail: _Optional[str] = ...) -> None: ...

class Outcome(_message.Message):
    __slots__ = ("asset", "epoch", "revision", "dispatch_id", "state", "reason", "time_ms", "power_w")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    DISPATCH_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    POWER_W_FIELD_NUMBER: _ClassVar[int]
    asset: int
    epoch: str
    revision: int
    dispatch_id: str
    state: str
    reason: str
    time_ms: int
    power_w: float
    def __init__(self, asset: _Optional[int] = ..., epoch: _Optional[str] = ..., revision: _Optional[int] = ..., dispatch_id: _Optional[str] = ..., state: _Optional[str] = ..., reason: _Optional[str] = ..., time_ms: _Optional[int] = ..., power_w: _Optional[float] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("asset", "type", "severity", "message", "time_ms")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    asset: int
    type: str
    severity: str
    message: str
    time_ms: int
    def __init__(self, asset: _Optional[int] = ..., type: _Optional[str] = ..., severity: _Optional[str] = ..., message: _Optional[str] = ..., time_ms: _Optional[int] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ("number", "sent_ms")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    SENT_MS_FIELD_NUMBER: _ClassVar[int]
    number: int
    sent_ms: int
    def __init__(self, number: _Optional[int] = ..., sent_ms: _Optional[int] = ...) -> None: ...

class Setpoint(_message.Message):
    __slots__ = ("asset", "epoch", "revision", "dispatch_id", "setpoint_w", "reversion_w", "issued_ms", "expires_ms", "program", "primacy", "schedule")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    DISPATCH_ID_FIELD_NUMBER: _ClassVar[int]
    SETPOINT_W_FIELD_NUMBER: _ClassVar[int]
    REVERSION_W_FIELD_NUMBER: _ClassVar[int]
    ISSUED_MS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_MS_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    PRIMACY_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    asset: int
    epoch: str
    revision: int
    dispatch_id: str
    setpoint_w: float
    reversion_w: float
    issued_ms: int
    expires_ms: int
    program: str
    primacy: int
    schedule: _containers.RepeatedCompositeFieldContainer[Step]
    def __init__(self, asset: _Optional[int] = ..., epoch: _Optional[str] = ..., revision: _Optional[int] = ..., dispatch_id: _Optional[str] = ..., setpoint_w: _Optional[float] = ..., reversion_w: _Optional[float] = ..., issued_ms: _Optional[int] = ..., expires_ms: _Optional[int] = ..., program: _Optional[str] = ..., primacy: _Optional[int] = ..., schedule: _Optional[_Iterable[_Union[Step, _Mapping]]] = ...) -> None: ...

class Step(_message.Message):
    __slots__ = ("from_ms", "setpoint_w")
    FROM_MS_FIELD_NUMBER: _ClassVar[int]
    SETPOINT_W_FIELD_NUMBER: _ClassVar[int]
    from_ms: int
    setpoint_w: float
    def __init__(self, from_ms: _Optional[int] = ..., setpoint_w: _Optional[float] = ...) -> None: ...

class Ack(_message.Message):
    __slots__ = ("seq",)
    SEQ_FIELD_NUMBER: _ClassVar[int]
    seq: int
    def __init__(self, seq: _Optional[int] = ...) -> None: ...
