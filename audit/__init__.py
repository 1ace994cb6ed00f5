"""audit: the tamper-evident trail of every crossing. Imports nothing else of this project.

Its format is `docs/reference/audit-format.md`; `audit.log.Log` writes it, `audit.verify.verify` checks it.
"""
