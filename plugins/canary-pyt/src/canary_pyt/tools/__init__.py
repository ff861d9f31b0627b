"""What test files use while they run: `canary.filesystem`, `canary.Executable` and so on.

Each module stands alone and imports no other part of canary, so that a test pays for what it uses.
"""
