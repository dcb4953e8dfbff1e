"""Texts that stand twice: exact and near duplicates, evaluation text inside training text, and splits that keep copies together."""
