"""Training: the compiled step, schedules, checkpoints and the loop around them."""
