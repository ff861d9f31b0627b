"""A session in the Test Anything Protocol."""
