"""Tests of CMake build trees for canary: what ctest would run, in canary's pool and report."""
