"""A live view of a running session on a terminal. Nothing here is imported where there is none."""
