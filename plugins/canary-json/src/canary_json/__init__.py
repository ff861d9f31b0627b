"""A session as one JSON file, and the schema of that file."""
