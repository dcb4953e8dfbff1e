"""Readers: one file for each kind of archive in the catalogue, from its bytes to plain texts."""
