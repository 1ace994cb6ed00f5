"""Evidence: what a trail can show of a time asked, in one file that proves itself."""
