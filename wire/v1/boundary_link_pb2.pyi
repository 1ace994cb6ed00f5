from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GatewayMessage(_message.Message):
    __slots__ = ("hello", "ack", "command", "status", "heartbeat")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    ACK_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    hello: Hello
    ack: BatchAck
    command: Command
    status: GatewayStatus
    heartbeat: GatewayHeartbeat
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping]] = ..., ack: _Optional[_Union[BatchAck, _Mapping]] = ..., command: _Optional[_Union[Command, _Mapping]] = ..., status: _Optional[_Union[GatewayStatus, _Mapping]] = ..., heartbeat: _Optional[_Union[GatewayHeartbeat, _Mapping]] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ("nonce", "series", "software", "open_commands")
    NONCE_FIELD_NUMBER: _ClassVar[int]
    SERIES_FIELD_NUMBER: _ClassVar[int]
    SOFTWARE_FIELD_NUMBER: _ClassVar[int]
    OPEN_COMMANDS_FIELD_NUMBER: _ClassVar[int]
    nonce: bytes
    series: _containers.RepeatedCompositeFieldContainer[Series]
    software: str
    open_commands: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, nonce: _Optional[bytes] = ..., series: _Optional[_Iterable[_Union[Series, _Mapping]]] = ..., software: _Optional[str] = ..., open_commands: _Optional[_Iterable[str]] = ...) -> None: ...

class Series(_message.Message):
    __slots__ = ("path", "kind", "quantity")
    PATH_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    path: str
    kind: str
    quantity: str
    def __init__(self, path: _Optional[str] = ..., kind: _Optional[str] = ..., quantity: _Optional[str] = ...) -> None: ...

class BatchAck(_message.Message):
    __slots__ = ("seq",)
    SEQ_FIELD_NUMBER: _ClassVar[int]
    seq: int
    def __init__(self, seq: _Optional[int] = ...) -> None: ...

class GatewayHeartbeat(_message.Message):
    __slots__ = ("number",)
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    number: int
    def __init__(self, number: _Optional[int] = ...) -> None: ...

class GatewayStatus(_message.Message):
    __slots__ = ("fields",)
    class FieldsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    fields: _containers.ScalarMap[str, str]
    def __init__(self, fields: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Command(_message.Message):
    __slots__ = ("id", "path", "mode", "target_w", "hold_s", "primacy", "heard_seq")
    ID_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    TARGET_W_FIELD_NUMBER: _ClassVar[int]
    HOLD_S_FIELD_NUMBER: _ClassVar[int]
    PRIMACY_FIELD_NUMBER: _ClassVar[int]
    HEARD_SEQ_FIELD_NUMBER: _ClassVar[int]
    id: str
    path: str
    mode: str
    target_w: float
    hold_s: int
    primacy: int
    heard_seq: int
    def __init__(self, id: _Optional[str] = ..., path: _Optional[str] = ..., mode: _Optional[str] = ..., target_w: _Optional[float] = ..., hold_s: _Optional[int] = ..., primacy: _Optional[int] = ..., heard_seq: _Optional[int] = ...) -> None: ...

class SignedPublication(_message.Message):
    __slots__ = ("publication", "signature", "key_id")
    PUBLICATION_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    publication: bytes
    signature: bytes
    key_id: str
    def __init__(self, publication: _Optional[bytes] = ..., signature: _Optional[bytes] = ..., key_id: _Optional[str] = ...) -> None: ...

class Publication(_message.Message):
    __slots__ = ("nonce", "seq", "heartbeat_echo", "made_ms", "points", "outcome", "heartbeat")
    NONCE_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_ECHO_FIELD_NUMBER: _ClassVar[int]
    MADE_MS_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    nonce: bytes
    seq: int
    heartbeat_echo: int
    made_ms: int
    points: PointBatch
    outcome: CommandOutcome
    heartbeat: PublisherHeartbeat
    def __init__(self, nonce: _Optional[bytes] = ..., seq: _Optional[int] = ..., heartbeat_echo: _Optional[int] = ..., made_ms: _Optional[int] = ..., points: _Optional[_Union[PointBatch, _Mapping]] = ..., outcome: _Optional[_Union[CommandOutcome, _Mapping]] = ..., heartbeat: _Optional[_Union[PublisherHeartbeat, _Mapping]] = ...) -> None: ...

class PublisherHeartbeat(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PointBatch(_message.Message):
    __slots__ = ("ref", "value", "time_ms", "quality", "configured", "reporting", "coverage_pct", "oldest_age_ms", "present")
    REF_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    CONFIGURED_FIELD_NUMBER: _ClassVar[int]
    REPORTING_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_PCT_FIELD_NUMBER: _ClassVar[int]
    OLDEST_AGE_MS_FIELD_NUMBER: _ClassVar[int]
    PRESENT_FIELD_NUMBER: _ClassVar[int]
    ref: _containers.RepeatedScalarFieldContainer[int]
    value: _containers.RepeatedScalarFieldContainer[float]
    time_ms: _containers.RepeatedScalarFieldContainer[int]
    quality: _containers.RepeatedScalarFieldContainer[int]
    configured: _containers.RepeatedScalarFieldContainer[int]
    reporting: _containers.RepeatedScalarFieldContainer[int]
    coverage_pct: _containers.RepeatedScalarFieldContainer[float]
    oldest_age_ms: _containers.RepeatedScalarFieldContainer[int]
    present: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, ref: _Optional[_Iterable[int]] = ..., value: _Optional[_Iterable[float]] = ..., time_ms: _Optional[_Iterable[int]] = ..., quality: _Optional[_Iterable[int]] = ..., configured: _Optional[_Iterable[int]] = ..., reporting: _Optional[_Iterable[int]] = ..., coverage_pct: _Optional[_Iterable[float]] = ..., oldest_age_ms: _Optional[_Iterable[int]] = ..., present: _Optional[_Iterable[int]] = ...) -> None: ...

class CommandOutcome(_message.Message):
    __slots__ = ("id", "state", "reason", "delivered_w", "shortfall_w", "time_ms", "quality", "unknown")
    ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DELIVERED_W_FIELD_NUMBER: _ClassVar[int]
    SHORTFALL_W_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    id: str
    state: str
    reason: str
    delivered_w: float
    shortfall_w: float
    time_ms: int
    quality: int
    unknown: bool
    def __init__(self, id: _Optional[str] = ..., state: _Optional[str] = ..., reason: _Optional[str] = ..., delivered_w: _Optional[float] = ..., shortfall_w: _Optional[float] = ..., time_ms: _Optional[int] = ..., quality: _Optional[int] = ..., unknown: _Optional[bool] = ...) -> None: ...
