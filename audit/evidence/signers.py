"""Whether a person of the ring stands for something that was signed. Pure."""

from __future__ import annotations

from audit.approval import Ring
from audit.note import Note


def not_signed(signed: Note, made: int, ring: Ring) -> str | None:
    """Why no person of the ring stands for what was made at `made` (UTC microseconds); None where one does."""
    known = {(person.name, person.key.key_id): person for person in ring.persons}
    why, good = "nobody of the ring has signed it", False
    for line in signed.signatures:
        person = known.get((line.name, line.key_id))
        if person is None:
            continue
        if not person.key.verifies(line.signature, signed.text):
            return f"the signature of {person.name} is wrong"
        if person.valid_from <= made < person.valid_to and (person.revoked is None or made < person.revoked):
            good = True
        else:
            why = f"{person.name}, who signed it, was not valid when it was made"
    return None if good else why
