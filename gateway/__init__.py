"""The gateway in the OT DMZ: it only dials out, shows aggregates to legacy SCADA, and records every crossing.

Out:  link -> door (crossing, judgement) -> recorder -> image -> faces.
In:   faces -> desk (commands) -> outbox, recorder -> link.
Pure are crossing, judgement, commands, denials and local; `service` wires the rest.
"""
