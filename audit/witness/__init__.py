"""A witness: a small service of its own, for compliance's own host, that cosigns checkpoints and never goes back.

It catches what no reader of one folder can see: a rolled back log, a log written anew with its own key, two views of
one log. docs/reference/witness.md. Pure: cosignature, request, rules, submission, coverage, http. Rims: store, server,
client, prover, submitter, cli.
"""

from audit.witness.coverage import Contradicted, Coverage, NotWitnessed, Witnessed, cosigned, witnessed

__all__ = ["Contradicted", "Coverage", "NotWitnessed", "Witnessed", "cosigned", "witnessed"]
