"""audit: the tamper-evident trail of every crossing. Imports nothing else of this project.

Its format is `docs/reference/audit-format.md`; `audit.log.Log` writes it, `audit.verify.verify` checks it.

    format/     what every byte means. Pure
    log/        entries in, released records out
    keeping/    what is done to a log as a whole: packing, pruning, a restore
    verify/     the verdict, by a key from outside
    reading/    a log's files for people: show, search, count, report
    evidence/   an auditor's request answered with one file
    witness/    a second signature, from another host
    cli/        `derms audit`
    verifier.html   the other verifier, for a browser: written from the format pages alone
"""
