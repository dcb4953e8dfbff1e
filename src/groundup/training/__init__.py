"""Training: the loop, its optimizers and schedules, its guards, and the objectives (one file each)."""
