"""The run directory: what a training run leaves behind, written so that nothing is lost."""
