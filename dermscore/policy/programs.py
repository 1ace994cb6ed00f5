"""Programmes: what dispatch runs under, which outranks which, and what stands while no event does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from dermscore.model import covers
from dermscore.policy.access import named

if TYPE_CHECKING:
    from dermscore.dispatch.modes import Mode, Value


@dataclass(frozen=True, slots=True)
class Program:
    """A programme that dispatch runs under. IEEE 2030.5 `primacy`: the lower number wins. Durations in seconds.

    `max_duration_s` is also what a request without a duration gets: nothing is held for ever. `on_supersede` says
    whether an event that was superseded comes back when its superseder ends; `defaults` what stands at a node, per
    mode, while no event does (DefaultDERControl). `paths` is where the programme runs, "" everywhere; those of two
    `market` programmes never overlap, so that no asset is in two markets.
    """

    name: str
    primacy: int
    max_duration_s: int
    description: str = ""
    on_supersede: Literal["terminate", "resume"] = "terminate"
    defaults: Mapping[str, Mapping[Mode, Value]] = field(default_factory=dict)
    market: bool = False
    paths: tuple[str, ...] = ("",)

    def refusal(self, path: str) -> str | None:
        """Why it may not dispatch at `path`; None where it runs on all that is there."""
        if any(covers(run, path) for run in self.paths):
            return None
        return f"program {self.name} runs at {', '.join(map(named, self.paths))} only, not at {named(path)}"
