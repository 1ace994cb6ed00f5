"""A master's controls, translated for the desk and back: object and code names inward, status codes outward.

What is decided here is only what the protocol can decide: an object that this face does not take, a code that is not
listed, a number that is none. Everything else is the desk's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from dermscore.sheets.points import PointType
from gateway.faces import ControlDesk, ControlRequest, How, Status
from gateway.faces.dnp3.core import AnalogOutput, CommandStatus, Control, ControlRelayOutputBlock, FunctionCode
from gateway.faces.dnp3.outstation import Dnp3Output, Dnp3Outstation

STATUS_CODES: Mapping[Status, int] = {
    Status.SUCCESS: 0,
    Status.TIMEOUT: 1,
    Status.NO_SELECT: 2,
    Status.FORMAT_ERROR: 3,
    Status.NOT_SUPPORTED: 4,
    Status.ALREADY_ACTIVE: 5,
    Status.HARDWARE_ERROR: 6,
    Status.LOCAL: 7,
    Status.TOO_MANY_OBJS: 8,
    Status.NOT_AUTHORIZED: 9,
    Status.AUTOMATION_INHIBIT: 10,
    Status.PROCESSING_LIMITED: 11,
    Status.OUT_OF_RANGE: 12,
    Status.DOWNSTREAM_LOCAL: 13,
    Status.ALREADY_COMPLETE: 14,
    Status.BLOCKED: 15,
    Status.CANCELLED: 16,
    Status.BLOCKED_OTHER_MASTER: 17,
    Status.DOWNSTREAM_FAIL: 18,
}
"""The numbers of IEEE 1815-2012 table 11-9, written out so that a master's manual can be held against them."""

STATUS_NAMES: Mapping[int, Status] = {code: status for status, code in STATUS_CODES.items()}

_CODE_NAMES: Mapping[int, str] = {
    0x00: "NUL",
    0x01: "PULSE_ON",
    0x02: "PULSE_OFF",
    0x03: "LATCH_ON",
    0x04: "LATCH_OFF",
    0x41: "CLOSE_PULSE_ON",
    0x81: "TRIP_PULSE_ON",
}
"""Control code octets: operation type in bits 0-3, trip-close code in bits 6-7; queue and clear are never taken."""

_ANALOG_VARIATIONS = (1, 2, 3)  # int32, int16, float32


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the connection that is active now."""

    session: str
    peer: str


class Controls:
    """The control provider of one master's session. Not thread-safe: owned by the face's loop.

    `caller` and `objects` are set by the hub before a request is handed to the session; `asked` counts the calls to the
    desk, by which the hub sees whether a request reached it.
    """

    def __init__(self, outstation: Dnp3Outstation, master: str, desk: ControlDesk) -> None:
        self._outstation = outstation.name
        self._master = master
        self._desk = desk
        self._outputs = {(row.type, row.index): row for row in outstation.outputs}
        self._most = outstation.limits.controls
        self.caller = Caller("", "")
        self.objects = 0
        self.asked = 0

    def select(self, controls: Sequence[Control]) -> Sequence[CommandStatus]:
        """Whether each could be operated."""
        return self._decide(self._desk.select, controls, "select")

    def operate(self, controls: Sequence[Control]) -> Sequence[CommandStatus]:
        """Operate each; the session has already matched an OPERATE with its select."""
        direct = controls[0].function is not FunctionCode.OPERATE
        return self._decide(self._desk.operate, controls, "direct" if direct else "operate")

    def _decide(
        self,
        ask: Callable[[Sequence[ControlRequest]], Sequence[Status]],
        controls: Sequence[Control],
        how: How,
    ) -> list[CommandStatus]:
        if max(self.objects, len(controls)) > self._most:
            return [CommandStatus(STATUS_CODES[Status.TOO_MANY_OBJS])] * len(controls)
        judged = [self._translate(control, how) for control in controls]
        requests = [item for item in judged if isinstance(item, ControlRequest)]
        answers = iter(self._ask(ask, requests))
        statuses = [next(answers) if isinstance(item, ControlRequest) else item for item in judged]
        return [CommandStatus(STATUS_CODES[status]) for status in statuses]

    def _ask(
        self, ask: Callable[[Sequence[ControlRequest]], Sequence[Status]], requests: Sequence[ControlRequest]
    ) -> Sequence[Status]:
        if not requests:
            return ()
        self.asked += 1
        statuses = ask(requests)
        if len(statuses) != len(requests):
            raise ValueError(f"the desk answered {len(statuses)} of {len(requests)} controls")
        return statuses

    def _translate(self, control: Control, how: How) -> ControlRequest | Status:
        command = control.command
        if isinstance(command, ControlRelayOutputBlock):
            return self._binary(control.index, command, how)
        if control.variation not in _ANALOG_VARIATIONS:
            return Status.NOT_SUPPORTED
        return self._analog(control.index, command, how)

    def _binary(self, index: int, command: ControlRelayOutputBlock, how: How) -> ControlRequest | Status:
        row = self._outputs.get((PointType.BO, index))
        code = _CODE_NAMES.get(command.control_code)
        if row is None or code not in row.codes or command.count != 1:
            return Status.NOT_SUPPORTED
        return self._request(row, None, code, how)

    def _analog(self, index: int, command: AnalogOutput, how: How) -> ControlRequest | Status:
        row = self._outputs.get((PointType.AO, index))
        if row is None:
            return Status.NOT_SUPPORTED
        if not math.isfinite(command.value):
            return Status.OUT_OF_RANGE
        return self._request(row, float(command.value), None, how)

    def _request(self, row: Dnp3Output, value: float | None, code: str | None, how: How) -> ControlRequest:
        return ControlRequest(
            outstation=self._outstation,
            type=row.type,
            index=row.index,
            value=value,
            code=code,
            count=1,
            how=how,
            master=self._master,
            session=self.caller.session,
            peer=self.caller.peer,
        )
