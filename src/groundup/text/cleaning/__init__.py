"""Cleaning: what is mended in one document, and whether it is kept. No function here looks at two documents at once."""
