"""What the log has to say about being opened. Pure."""

from __future__ import annotations

from audit.errors import BadKey
from audit.format.body import Body
from audit.format.kinds import CUT, KEY, OPEN, START
from audit.format.note import VerifierKey
from audit.format.record import Entry
from audit.format.step import THRESHOLD_US
from audit.log.recovery import Cut, Found


def entries(found: Found, key: VerifierKey, process: str, first: Entry | None) -> list[Entry]:
    """The first records of an opening, `key` being in force. `first` begins a new log in place of `log.start`."""
    if found.position.size > 0:
        opened = Entry(OPEN, reason=process, n=THRESHOLD_US, digests={"key": key.digest})
    else:
        opened = first or begin(key)
    return [opened] if found.cut is None else [opened, cut_entry(found.cut)]


def begin(key: VerifierKey) -> Entry:
    return Entry(START, n=THRESHOLD_US, digests={"key": key.digest}, body=Body({"key": [str(key)]}))


def cut_entry(cut: Cut) -> Entry:
    reason = f"{cut.header_bytes} header bytes and {cut.body_bytes} body bytes behind the newest checkpoint were cut"
    digests = {"bodies": cut.body_sha256, "headers": cut.header_sha256}
    return Entry(CUT, n=cut.header_bytes + cut.body_bytes, reason=reason, digests=digests)


def unfinished_change(found: Found, successor: VerifierKey | None) -> bool:
    """Whether the key was changed and the new one has not signed yet. BadKey where `successor` is not that new one."""
    if found.last is None or found.last.kind != KEY:
        return False
    if successor is None or found.last.decision != str(successor):
        raise BadKey(
            f"the change of the log's key to {found.last.decision} was not finished: "
            "finish it with `derms audit rotate-key LOG --key OLD --new NEW`"
        )
    return True
