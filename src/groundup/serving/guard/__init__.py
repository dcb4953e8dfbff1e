"""Checks of what goes into a served model and of what comes out: personal data, listed words, toxicity, functions of the operator's own."""
