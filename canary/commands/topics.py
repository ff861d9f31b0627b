"""Help that belongs to no command: each function is a topic, and its docstring is the text."""

from __future__ import annotations


def pathspec() -> None:
    """What `canary run` takes, each word by itself, in this order:

      VIEW/PATH        jobs below a path of the view, again
      git@DIRECTORY    the test files below it that git knows
      repo@DIRECTORY   the same for a checkout made by repo
      TAG              jobs of a selection that has this name
      DIRECTORY        all test files below it
      FILE             one test file
      ROOT:PATH        PATH below the scan root ROOT
      JOB              a job's name, full name, or the beginning of its ID

    A tag hides a directory of its name: write ./NAME for that. Paths and jobs cannot be mixed.
    Without any word, the default selection is run again.
    Options may stand before, between and after them; what follows `--` is handed to each test.
    """


def pathfile() -> None:
    """`canary run -f FILE` reads paths from a JSON (or YAML) file; they are relative to the file:

    {
      "testpaths": [
        {"root": "tests", "paths": ["fast", "slow/one.pyt"]}
      ]
    }
    """
