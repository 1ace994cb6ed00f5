"""Which program's wish stands at each node, in each control mode, and when: IEEE 2030.5 events and defaults.

`events` are what comes in, `versions` what a log says of one event in the end, `claims` events as they compete, with
their real times, `timeline` which stands when, `controls` what comes out, and `arbitrate` the whole.
`dermscore.dispatch` exports what others use.
"""
