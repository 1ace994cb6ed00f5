"""What the trail raises. Every text is fit for whoever runs the command: what is wrong, where, and how to mend it."""

from __future__ import annotations


class AuditError(Exception):
    """Base of all that `audit` raises on purpose."""


class NoLog(AuditError):
    """There is no log in this folder: `init` was not run, or the path is wrong."""


class LogExists(AuditError):
    """`init` was asked to make a log where something already is."""


class LogLocked(AuditError):
    """Another process (or another `Log` in this one) has this log open for writing."""


class Damaged(AuditError):
    """The log does not hold what its checkpoint signs. It is evidence now: nothing is repaired, nothing written."""


class BadKey(AuditError):
    """A key or key file cannot be used."""


class BadEntry(AuditError):
    """An entry cannot be written as a record: the caller's mistake, nothing of its submission was stored."""


class NotRecorded(AuditError):
    """The disk did not take the records. None of the submission is released; the caller must not act as if it were."""


class InDoubt(NotRecorded):
    """The checkpoint was replaced, but the disk did not confirm that the replacement will survive a power cut.

    The records stand in the log and later ones follow them; they were never released to the caller, who must treat them
    as not recorded.
    """


class LogBehind(NotRecorded):
    """Too many records wait for the disk; this submission was not taken."""


class LogClosed(NotRecorded):
    """The log was closed before the submission was taken."""
