"""The two sheets, `points.csv` and `commands.csv`: their rows, the rules that rows keep, and how they are read."""
