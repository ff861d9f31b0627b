"""Commands around running tests: edit, fetch, docs, learn."""
