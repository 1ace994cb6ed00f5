"""Who stands for something that was signed, and whether a ring of persons knows them. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from audit.approval import Person, Ring
from audit.format.note import Note


@dataclass(frozen=True, slots=True)
class NotSigned:
    """No person of the ring stands for it, and why."""

    why: str


def signers(signed: Note, made: int, ring: Ring | None) -> tuple[str, ...] | NotSigned:
    """The names of those of the ring who stand for what was made at `made` (UTC microseconds), each once, in order.

    A line of somebody whom the ring does not know is left alone: whoever has the note can add one. Without a ring, all
    names that stand on it, and nothing is known of any.
    """
    if ring is None:
        return tuple(dict.fromkeys(line.name for line in signed.signatures))
    known = {(person.name, person.key.key_id): person for person in ring.persons}
    why, good = "nobody of the ring has signed it", dict[str, None]()
    for line in signed.signatures:
        person = known.get((line.name, line.key_id))
        if person is None:
            continue
        if not person.key.verifies(line.signature, signed.text):
            return NotSigned(f"the signature of {person.name} is wrong")
        if _is_valid(person, made):
            good[person.name] = None
        else:
            why = f"{person.name}, who signed it, was not valid when it was made"
    return tuple(good) or NotSigned(why)


def _is_valid(person: Person, made: int) -> bool:
    return person.valid_from <= made < person.valid_to and (person.revoked is None or made < person.revoked)
