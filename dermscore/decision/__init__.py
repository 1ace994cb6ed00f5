"""One request decided: what is asked, what it is decided on, the decision, its log, and deciding it again."""
