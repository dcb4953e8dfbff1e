"""Objectives: what a batch is and what its loss is, one file each."""
