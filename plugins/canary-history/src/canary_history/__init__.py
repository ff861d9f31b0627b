"""What became of jobs over sessions, and how two sessions differ."""
