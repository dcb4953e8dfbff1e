"""Tokens: text to ids and back, token files, and which tokens make up which batch."""
