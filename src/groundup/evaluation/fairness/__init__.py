"""Whom a model treats how, and what it says that hurts: bias, toxicity, refusals."""
