"""Personal data in text: found by patterns and checksums, and replaced before anything is trained on it."""
