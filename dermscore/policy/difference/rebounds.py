"""Rebounds that are other ones now: what a node must keep, second by second, after an event that held it back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from dermscore.dispatch.modes import Mode
from dermscore.policy import Policy
from dermscore.policy.access import named
from dermscore.policy.difference.change import Change, Kind
from dermscore.policy.difference.figures import amount as figure
from dermscore.policy.limits import CURTAILING
from dermscore.policy.tightness import tightens, tightest

_Key = tuple[str, str, Mode]  # node, amount, what ended
_Limits = Sequence[tuple[int, float]]  # for how many seconds, and how much
_Moved = tuple[tuple[int, int, float | None, float | None], ...]  # from and until which second, before, after


def rebound_changes(old: Policy, new: Policy) -> Iterator[Change]:
    """Every rebound at a node that is another one now, after whichever mode; of several the tightest counts."""
    before, after = _limits(old), _limits(new)
    alike: dict[tuple[str, str, _Moved], list[Mode]] = {}
    for key in sorted({*before, *after}):
        node, name, mode = key
        moved = _moved(name, before.get(key, ()), after.get(key, ()))
        alike.setdefault((node, name, moved), []).append(mode)
    for (node, name, moved), modes in alike.items():
        what = "a curtailment" if frozenset(modes) == CURTAILING else f"an end of {', '.join(modes)}"
        for begin, end, one, other in moved:
            time = f"from {begin} s to {end} s" if begin else f"for {end} s"
            words = f"{named(node)}: {name}, {time} after {what}: {figure(name, other)}; it was {figure(name, one)}"
            yield Change(Kind.TIGHTER if tightens(name, one, other) else Kind.LOOSER, words)


def _limits(policy: Policy) -> Mapping[_Key, _Limits]:
    found: dict[_Key, list[tuple[int, float]]] = {}
    for rule in policy.rebounds:
        for node in rule.nodes:
            for name, value in rule.amounts.stated().items():
                for mode in rule.after:
                    found.setdefault((node, name, mode), []).append((rule.lasts_s, value))
    return found


def _moved(name: str, one: _Limits, other: _Limits) -> _Moved:
    """The seconds in which the two differ; neighbours that do alike are one."""
    turns = sorted({lasts for lasts, _ in (*one, *other)})
    moved: list[tuple[int, int, float | None, float | None]] = []
    for begin, end in zip([0, *turns], turns, strict=False):
        before, after = (tightest(name, [w for lasts, w in limits if lasts > begin]) for limits in (one, other))
        if moved and moved[-1][1:] == (begin, before, after):
            begin = moved.pop()[0]
        if before != after:
            moved.append((begin, end, before, after))
    return tuple(moved)
