"""Cost: what is timed, how it is timed, peak memory, and the report."""
