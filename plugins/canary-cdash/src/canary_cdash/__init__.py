"""A session as CDash takes it."""
