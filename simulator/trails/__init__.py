"""Trails to rehearse an audit on: what a gateway would have recorded over months, with its incidents, in minutes.

Pure: plan (what happens when), site (the contract and its values), people (who approves), control (what masters ask),
truth (what was put in). Rims: host (a clock that is set, a disk that fails), trail and witness (their logs), standin
(what a gateway does), story (the plan, told), home and rehearsal (the folder), cli. Every clock is made up; the log,
its checkpoints, its cosignatures and its approvals are what they are in a gateway.
"""
