"""A session as Markdown."""
