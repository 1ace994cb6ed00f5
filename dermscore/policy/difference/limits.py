"""Standing limits that are other ones now, at whatever time: what counts at a node is the tightest of all that hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from dermscore.policy import Policy
from dermscore.policy.access import named
from dermscore.policy.difference.change import Change, Kind, Standing
from dermscore.policy.difference.figures import amount as figure
from dermscore.policy.difference.week import Clock, Part, Stretch, clocks_of, too_many, windows_at
from dermscore.policy.tightness import tightens, tightest
from dermscore.policy.windows import ALWAYS, When, Window, edges, lasts

AT_THE_EDGE: Final = frozenset(
    {"export_limit_w", "import_limit_w", "generation_limit_w", "load_limit_w", "fallback_ramp_w_per_s"}
)
"""The amounts that `dermscore.policy.edge` gives to the agents."""

_Key = tuple[str, str]  # node, amount
_Limits = Sequence[tuple[When, float]]
_Figures = tuple[float | None, float | None]  # before, after


def limit_changes(old: Policy, new: Policy) -> Iterator[Change]:
    """Every limit at a node and time that is another one now."""
    before, after = _limits(old), _limits(new)
    for key in sorted({*before, *after}):
        one, other = before.get(key, ()), after.get(key, ())
        if Counter(one) != Counter(other):
            found = [*_changes(key, one, other)]
            yield from found
            yield from _changes_at_the_edge(key, one, other, found)


def _limits(policy: Policy) -> Mapping[_Key, _Limits]:
    found: dict[_Key, list[tuple[When, float]]] = {}
    for rule in policy.limits:
        for node in rule.nodes:
            for name, value in rule.amounts.stated().items():
                found.setdefault((node, name), []).append((rule.when, value))
    return found


def _changes(key: _Key, one: _Limits, other: _Limits) -> Iterator[Change]:
    (node, name), clocks = key, clocks_of(window for when, _ in (*one, *other) for window in when.windows)
    if too_many(clocks):
        yield Change(
            Kind.LOOSER,
            f"{named(node)}: {name}: its windows go by {len(clocks)} clocks, too many to compare every hour of; "
            "take it for loosened, and read below what is written otherwise",
        )
        return
    for when, (before, after) in _moved(name, one, other, clocks):
        words = f"{named(node)}: {name}, {when}: {figure(name, after)}; it was {figure(name, before)}"
        kind = Kind.TIGHTER if tightens(name, before, after) else Kind.LOOSER
        yield Change(kind, words, standing=Standing(node, name, when, before, after))


def _changes_at_the_edge(key: _Key, one: _Limits, other: _Limits, told: Sequence[Change]) -> Iterator[Change]:
    """An agent without its headend keeps only what always stands: a limit that goes by a clock is lost to it."""
    node, name = key
    before, after = (tightest(name, [value for when, value in each if when == ALWAYS]) for each in (one, other))
    kept = Standing(node, name, Stretch(None, None, (), frozenset({()})), before, after)
    if name in AT_THE_EDGE and before != after and kept not in [each.standing for each in told]:
        words = f"{named(node)}: {name}, where agents have lost the headend: {figure(name, after)}"
        kind = Kind.TIGHTER if tightens(name, before, after) else Kind.LOOSER
        yield Change(kind, f"{words}; it was {figure(name, before)}")


def _moved(name: str, one: _Limits, other: _Limits, clocks: tuple[Clock, ...]) -> Iterator[tuple[Stretch, _Figures]]:
    """When the two differ, and in what; a time that goes on alike is one."""
    holding = windows_at((window for when, _ in (*one, *other) for window in when.windows), clocks)
    found_edges = {edge for when, _ in (*one, *other) for edge in edges(when.not_before_ms, when.not_after_ms)}
    turns = sorted(edge for edge in found_edges if edge is not None)
    going: dict[tuple[_Figures, frozenset[Part]], Stretch] = {}
    for begin, end in zip([None, *turns], [*turns, None], strict=True):
        found: dict[_Figures, set[Part]] = {}
        then, now = _within(one, begin, end), _within(other, begin, end)
        for part, windows in holding.items():
            figures = _counting(name, then, windows), _counting(name, now, windows)
            if figures[0] != figures[1]:
                found.setdefault(figures, set()).add(part)
        alike = {(figures, frozenset(parts)) for figures, parts in found.items()}
        yield from ((going.pop(key), key[0]) for key in [*going] if key not in alike)
        going |= {
            key: Stretch(going[key].from_ms if key in going else begin, end, clocks, key[1])
            for key in sorted(alike, key=lambda key: min(key[1]))
        }
    yield from ((when, figures) for (figures, _), when in going.items())


def _within(limits: _Limits, begin: int | None, end: int | None) -> _Limits:
    """Those that stand, windows apart, all through a time in which none begins or ends."""
    return [(when, value) for when, value in limits if lasts(when.not_before_ms, when.not_after_ms, begin, end)]


def _counting(name: str, limits: _Limits, windows: frozenset[Window]) -> float | None:
    return tightest(name, [value for when, value in limits if not when.windows or windows & {*when.windows}])
