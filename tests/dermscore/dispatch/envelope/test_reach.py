"""What a node can reach is what a linear program finds, and a limit has to do with nothing outside its node."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings

from dermscore.dispatch import BoundSource, Columns, Limit
from tests.dermscore.dispatch.nests import Nest, nests

MANY = settings(max_examples=5_000 if os.environ.get("DERMS_SOAK") == "1" else 100, deadline=None)


@MANY
@given(nest=nests())
def test_the_bounds_of_every_node_are_what_a_linear_program_finds(nest: Nest) -> None:
    columns = nest.columns()
    for node, bounds in columns.envelope(nest.limits).nodes.items():
        assert bounds.min.w <= bounds.max.w
        most_w = nest.farthest(node, 1)
        if most_w is not None:
            assert (bounds.min.w, bounds.max.w) == pytest.approx((nest.farthest(node, -1), most_w), abs=1e-6)


def test_a_limit_further_out_does_not_show_further_in() -> None:
    fleet = Columns.flat(ids=["must", "may"], min_w=[-1.0, 0], max_w=[-1.0, 1], at=["a", "a/c"])
    limits = [Limit("", "the feeder", import_limit_w=0.0), Limit("a/c", "the site", load_limit_w=0.0)]
    found = fleet.envelope(limits)
    assert (found.bounds_of("a").min.w, found.bounds_of("a").max.w) == (-1, 0)
    assert (found.node.min.w, found.node.min.source) == (0, BoundSource.LIMIT)


def test_of_two_limits_that_bind_the_tighter_is_named() -> None:
    fleet = Columns.flat(ids=["sun", "load"], min_w=[0.0, -4.0], max_w=[10.0, -4.0])
    for export_w, named in ((2.0, "L: export 2 W"), (5.0, "L: generation 7 W")):
        most = fleet.envelope([Limit("", "L", export_limit_w=export_w, generation_limit_w=7.0)]).node.max
        assert (most.w, most.detail) == (min(export_w, 3), f"{named}, at the whole fleet")


def test_what_must_run_is_not_cut_and_the_limit_is_named_all_the_same() -> None:
    fleet = Columns.flat(ids=["must"], min_w=6.0, max_w=8.0)
    for limit in (Limit("", "L", export_limit_w=4.0), Limit("", "L", generation_limit_w=4.0)):
        bounds = fleet.envelope([limit]).node
        assert (bounds.min.w, bounds.max.w, bounds.max.source) == (6, 6, BoundSource.LIMIT)
