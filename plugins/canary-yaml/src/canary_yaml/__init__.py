"""Tests declared in YAML and TOML files."""
