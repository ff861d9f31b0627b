"""A session as JUnit XML."""
