"""What a log says, for people: found, counted, put in words, printed."""
