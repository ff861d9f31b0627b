"""Take a test's new results as its reference, after a look at what would change."""
