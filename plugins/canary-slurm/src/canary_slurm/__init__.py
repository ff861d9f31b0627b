"""Batches of jobs on a Slurm cluster: packed, submitted, watched, found again."""
