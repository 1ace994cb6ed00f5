"""An independent DNP3 master in a process of its own: opendnp3 (`yadnp3`), which shares no code with the gateway.

Run as `python -m simulator.scada HOST PORT MASTER OUTSTATION`. It scans events every half second and everything every
five, and prints one JSON object a line:

    {"event": "link", "up": true}
    {"event": "scan", "number": 7, "at_ms": …, "values": [["AI", 0, 48995.0, 1, 1764000000000], …]}
    {"event": "operated", "id": "…", "status": "SUCCESS"}

A value is its type, index, value, flags and event time (null for static data). It reads one JSON object a line:
`{"id", "type": "AO"|"BO", "index", "value", "how": "sbo"|"direct"}` operates an output. It ends when its standard input
closes, so that no master outlives whoever started it.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

import opendnp3

EVENT_SCAN_MS = 500
INTEGRITY_SCAN_S = 5
OPEN_RETRY_MS = 250

# Static and event groups of the same point are one row for whoever reads.
_TYPES = {
    opendnp3.IndexedBinary: "BI",
    opendnp3.IndexedAnalog: "AI",
    opendnp3.IndexedBinaryOutputStatus: "BO",
    opendnp3.IndexedAnalogOutputStatus: "AO",
}

_printing = threading.Lock()  # opendnp3 calls back on its own threads


def say(message: dict[str, Any]) -> None:
    with _printing:
        sys.stdout.write(json.dumps(message, separators=(",", ":")) + "\n")
        sys.stdout.flush()


class Scans(opendnp3.ISOEHandler):  # type: ignore[misc]  # the binding has no stubs
    """Collects the values of one response fragment, then says them in one line. Owner: opendnp3's one worker thread."""

    def __init__(self) -> None:
        super().__init__()
        self._values: list[list[Any]] = []
        self._number = 0

    def BeginFragment(self, info: opendnp3.ResponseInfo) -> None:  # noqa: N802 (the library's name)
        self._values = []

    def EndFragment(self, info: opendnp3.ResponseInfo) -> None:  # noqa: N802
        self._number += 1
        say({"event": "scan", "number": self._number, "at_ms": time.time_ns() // 1_000_000, "values": self._values})

    def Process(self, info: opendnp3.HeaderInfo, values: list[Any]) -> None:  # noqa: N802
        timed = info.tsquality == opendnp3.TimestampQuality.SYNCHRONIZED
        for item in values:
            kind = _TYPES.get(type(item))
            if kind is not None:
                reading = item.value
                moment = reading.time.value if timed else None
                self._values.append([kind, item.index, float(reading.value), reading.flags.value, moment])


class Link(opendnp3.IChannelListener):  # type: ignore[misc]
    def OnStateChange(self, state: opendnp3.ChannelState) -> None:  # noqa: N802
        say({"event": "link", "up": state == opendnp3.ChannelState.OPEN})


def connect(manager: Any, host: str, port: int, master: int, outstation: int) -> Any:
    """A master with its scans, enabled. Returns the `IMaster`."""
    quickly = opendnp3.TimeDuration.Milliseconds(OPEN_RETRY_MS)
    retry = opendnp3.ChannelRetry(quickly, opendnp3.TimeDuration.Seconds(1))
    retry.reconnectDelay = quickly  # without it a dropped connection is retried in a tight loop
    channel = manager.AddTCPClient(
        "gateway", opendnp3.LogLevels(0), retry, [opendnp3.IPEndpoint(host, port)], "0.0.0.0", Link()
    )
    config = opendnp3.MasterStackConfig()
    config.link.LocalAddr, config.link.RemoteAddr = master, outstation
    config.master.responseTimeout = opendnp3.TimeDuration.Seconds(3)
    config.master.disableUnsolOnStartup = False
    scans = Scans()
    station = channel.AddMaster("scada", scans, opendnp3.IMasterApplication(), config)
    everything = opendnp3.ClassField.AllClasses()
    station.AddClassScan(everything, opendnp3.TimeDuration.Seconds(INTEGRITY_SCAN_S), scans)
    events = opendnp3.ClassField.AllEventClasses()
    station.AddClassScan(events, opendnp3.TimeDuration.Milliseconds(EVENT_SCAN_MS), scans)
    station.Enable()
    return station


def operate(station: Any, order: dict[str, Any]) -> None:
    """Carry out one order; its answer is said when the outstation has answered or the master gave up."""
    if order["type"] == "AO":
        command = opendnp3.AnalogOutputInt32(int(order["value"]))
    else:
        command = opendnp3.ControlRelayOutputBlock(opendnp3.OperationType.LATCH_ON)

    def answered(result: Any) -> None:
        points = result.to_list()
        # The point's own status: the summary says SUCCESS for a task that merely finished.
        status = points[0].status.name if points else result.summary.name
        say({"event": "operated", "id": order["id"], "status": status})

    act = station.SelectAndOperate if order["how"] == "sbo" else station.DirectOperate
    act(command, order["index"], answered)


def main(argv: list[str]) -> None:
    host, port, master, outstation = argv[0], int(argv[1]), int(argv[2]), int(argv[3])
    manager = opendnp3.DNP3Manager(1)
    try:
        station = connect(manager, host, port, master, outstation)
        for line in sys.stdin:
            operate(station, json.loads(line))
    finally:
        manager.Shutdown()  # its threads must be gone before the interpreter is


if __name__ == "__main__":
    main(sys.argv[1:])
