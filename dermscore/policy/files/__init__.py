"""From the policy's files to a `Policy`: their shape, their reading, what `check` looks for, and the cases."""
