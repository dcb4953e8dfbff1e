"""Canaries: made-up secrets that are planted in a training text, to measure later whether a model learned them by heart."""
