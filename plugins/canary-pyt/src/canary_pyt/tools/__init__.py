"""What test files use while they run (`canary.filesystem`, `canary.Executable`, …): one module each.

Each stands alone and imports no other part of canary, so that a test pays for what it uses.
"""
