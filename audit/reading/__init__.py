"""A log's files as strangers may have left them, in whichever form they are. Nothing here verifies."""
