"""What each asset and each node can do now: from what is known of a fleet to bounds, each with its source.

`situation` takes the steps in their order for a snapshot, and `plain` for a notebook's numbers. The steps tighten the
arrays of `bounding`: `limiting` by the limits of policy and of events, `devices` by what the devices themselves can do.
`reach` is what follows for the nodes, and `envelope` what a reader asks. `dermscore.dispatch` exports what others use.
"""
