"""Writing: entries in, released records out. `Log` is the door; the rest is how a batch becomes durable."""

from audit.log.writer import Health, Log, Released

__all__ = ["Health", "Log", "Released"]
