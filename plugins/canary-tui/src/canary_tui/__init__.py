"""A workspace to look at, and to work with, in a terminal."""
