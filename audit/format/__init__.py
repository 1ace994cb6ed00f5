"""What every byte of a log means, as `docs/reference/audit-format.md` has it: read strictly, written one way. Pure."""
