"""What is planned before anything runs; the walk as a whole is in `test_session`."""

from __future__ import annotations

from math import inf

import pytest

from canary.history import RunHistory
from canary.planning import guess_runtimes


@pytest.fixture
def jobs(new_job):
    """`jobs(a=(limit, *runs))`: names like `f.p=1` are of the file `f`."""

    def make(**rows):
        made = []
        for name, (limit, *runs) in rows.items():
            job = new_job(name.replace("_", "."), timeout=limit)
            job.history = RunHistory()
            for seconds in runs:
                job.history.add("PASS", seconds, 0.0)
            made.append(job)
        guess_runtimes(made)
        return {job.name: job.expected_runtime for job in made}

    return make


def test_a_new_job_takes_as_long_as_others_of_its_file(jobs):
    made = jobs(
        f_a=(300.0, 2.0), f_b=(300.0, 4.0, 6.0), f_c=(300.0, 60.0), f_new=(300.0,), g=(30.0, 9.0)
    )
    assert made == {"f.a": 2.0, "f.b": 5.0, "f.c": 60.0, "f.new": 5.0, "g": 9.0}


def test_of_a_new_file_the_limit_counts_as_much_as_with_the_others(jobs):
    known = {"a": (300.0, 3.0), "b": (100.0, 1.0), "c": (100.0, 99.0)}
    made = jobs(**known, new=(300.0,), long=(6000.0,))
    assert (made["new"], made["long"]) == (3.0, 60.0)


def test_where_nothing_is_known_the_limit_is_all_there_is(jobs):
    assert jobs(a=(300.0,), b=(20.0,)) == {"a": 300.0, "b": 20.0}


def test_what_has_run_is_not_guessed(jobs):
    assert jobs(a=(300.0, 5.0), b=(20.0, 1.0)) == {"a": 5.0, "b": 1.0}


def test_jobs_without_limits(jobs):
    made = jobs(a=(-1.0, 5.0), b=(300.0,), c=(-1.0,))
    assert made == {"a": 5.0, "b": 300.0, "c": inf}
