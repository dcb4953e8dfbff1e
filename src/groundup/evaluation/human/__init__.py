"""What people think of what models write: a blind study, kept in one file, and its statistics."""
