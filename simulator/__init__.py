"""The demo: the whole system as separate processes, watched by a SCADA master that shares no code with it."""
