"""Exercises: stubs that a reader fills in, and checks that say what is wrong with an attempt."""
