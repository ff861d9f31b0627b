"""Test files of vvtest for canary: `#VVT:` comments in a script become jobs."""
