"""What every daemon shares: the command line, configuration, logs, the clocks, and an orderly start and stop."""
