"""The edge: one process per asset or site that follows its guard, dials the headend, and listens nowhere."""
