"""Reading the files that people write: strictly, with every problem at once, and where and how to mend it."""
