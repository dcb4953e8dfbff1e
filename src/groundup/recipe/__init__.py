"""Recipes: the composition root, the one place that knows every stage and joins them."""
