"""Who may do what, where and when, listed as a whole and explained for a single question."""
