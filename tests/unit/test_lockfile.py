"""The lock of a job: replaced in one step, and refused if it is not ours."""

from __future__ import annotations

import json
import os

import hostile
import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary import lockfile
from canary.errors import RecordError


def test_what_is_written_is_read_again_by_directory_and_by_file(tmp_path):
    lockfile.write(tmp_path, {"a": 1}, '{"spec":{"b":2},"more":[3]}')
    wanted = {"schema": 1, "a": 1, "spec": {"b": 2}, "more": [3]}
    assert lockfile.read(tmp_path) == wanted
    assert lockfile.read(tmp_path / "testcase.lock") == wanted
    assert os.listdir(tmp_path) == ["testcase.lock"]


def test_it_is_json_for_everybody(tmp_path):
    lockfile.write(tmp_path, {"a": "é\udcff"}, '{"f":0}')
    data = json.loads((tmp_path / "testcase.lock").read_bytes())
    assert data == {"schema": 1, "a": "é\udcff", "f": 0}
    assert lockfile.read(tmp_path) == data


def test_what_json_does_not_know_becomes_its_text(tmp_path):
    lockfile.write(tmp_path, {"path": tmp_path}, '{"f":0}')
    assert lockfile.read(tmp_path)["path"] == str(tmp_path)


def test_a_lock_is_replaced(tmp_path):
    lockfile.write(tmp_path, {"a": 1}, '{"f":0}')
    lockfile.write(tmp_path, {"b": 2}, '{"f":0}')
    assert lockfile.read(tmp_path) == {"schema": 1, "b": 2, "f": 0}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "damaged"),
        (b"{", "damaged"),
        (b'{"schema":1', "damaged"),
        (b"\xff\xfe", "damaged"),
        (b"[" * 100_000, "damaged"),
        (b"[1]", "damaged"),
        (b"3", "damaged"),
        (b"null", "damaged"),
        (b"{}", "cannot read"),
        (b'{"schema":"x"}', "cannot read"),
        (b'{"schema":0}', "cannot read"),
        (b'{"schema":2}', "schema 2"),
    ],
)
def test_what_is_no_lock_of_ours_is_a_record_error(tmp_path, content, why):
    file = tmp_path / "testcase.lock"
    file.write_bytes(content)
    with pytest.raises(RecordError, match=why) as caught:
        lockfile.read(tmp_path)
    assert caught.value.file == str(file)


def test_a_lock_that_is_not_there_is_a_record_error(tmp_path):
    with pytest.raises(RecordError, match="No such file"):
        lockfile.read(tmp_path)


def test_a_file_too_large_to_be_a_lock_is_not_read(tmp_path):
    file = tmp_path / "testcase.lock"
    with file.open("wb") as f:
        f.truncate(lockfile.MAX_BYTES + 1)
    with pytest.raises(RecordError, match="too large"):
        lockfile.read(file)


# what is left out


def test_secrets_are_left_out_of_the_environment():
    given = {
        "PATH": "/bin",
        "GITHUB_TOKEN": "x",
        "aws_secret_access_key": "x",
        "PGPASSWORD": "x",
        "MY_PASSWD": "x",
        "X_CREDENTIALS": "x",
        "STRIPE_API_KEY": "x",
        "APIKEY": "x",
        "SSH_PRIVATE_KEY": "x",
        "GPG_PASSPHRASE": "x",
        "SSHPASS": "x",
        "DB_PASS": "x",
        "DOCKER_AUTH_CONFIG": "x",
        "KEYBOARD": "us",
        "BYPASS": "y",
        "CI_REPOSITORY_URL": "https://ci:x@host/x.git",
        "CANARY_ADDOPTS": "-c a:b -e A_TOKEN=x",
        "CANARY_ENVIRONMENT_SET": "A=1,X_TOKEN=x",
        "CANARY_RUN_ADDOPTS": "-- --password x y",
        "PLAIN": "a token=kept: it is the test's own",
    }
    assert lockfile.public_environment(given) == {
        "PATH": "/bin",
        "KEYBOARD": "us",
        "BYPASS": "y",
        "CI_REPOSITORY_URL": "https://ci:...@host/x.git",
        "CANARY_ADDOPTS": "-c a:b -e A_TOKEN=...",
        "CANARY_ENVIRONMENT_SET": "A=1,X_TOKEN=...",
        "CANARY_RUN_ADDOPTS": "-- --password ...",
        "PLAIN": "a token=kept: it is the test's own",
    }


def test_values_of_secrets_are_left_out_wherever_they_stand():
    given = {
        "environment": {"set": {"MY_TOKEN": "x", "PLAIN": "y"}},
        "gitlab": {"token": "x", "url": "https://host/token"},
        "argv": ["canary", "-e", "MY_TOKEN=x", "-c", "gitlab:token:x", "A=a token of b", "token"],
        "n": 1,
    }
    assert lockfile.public(given) == {
        "environment": {"set": {"PLAIN": "y"}},
        "gitlab": {"url": "https://host/token"},
        "argv": [
            *("canary", "-e", "MY_TOKEN=...", "-c", "gitlab:token:...", "A=a token of b", "token"),
        ],
        "n": 1,
    }


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("environment:set:Q=1,C_TOKEN=x", "environment:set:Q=1,C_TOKEN=..."),
        ('scratch={"token": "x"}', 'scratch={"token":...'),
        ('{"a":"{\\"token\\": 1}"}', '{"a":"{\\"token\\":...'),
        ("--db-pass x", "--db-pass ..."),
        ("url=ftp://me:a@b@host/c@d", "url=ftp://me:...@host/c@d"),
        ("http://host:80/a?b@c", "http://host:80/a?b@c"),
        ("--only=not_pass", "--only=not_pass"),
        ("not_pass and token", "not_pass and token"),
        (["--password", "x", "y", "--token"], ["--password", "...", "y", "--token"]),
        (["token", "y", 1, "--x"], ["token", "y", 1, "--x"]),
    ],
)
def test_however_a_secret_is_given(said, kept):
    assert lockfile.public(said) == kept


# whatever is in it

WHOLE = b'{"schema":1,"status":{"outcome":"SUCCESS"},"spec":{"id":"x","parameters":{"n":[1,2.5]}}}'


@given(st.integers(0, len(WHOLE) - 1), st.binary(max_size=4), st.integers(0, 8))
def test_any_damage_is_a_record_error_or_a_lock(tmp_path_factory, at, new, gone):
    file = tmp_path_factory.getbasetemp() / "fuzzed.lock"
    file.write_bytes(WHOLE[:at] + new + WHOLE[at + gone :])
    told = str(file)
    try:
        assert isinstance(lockfile.read(file), dict)
    except RecordError as e:
        told = str(e)
    assert str(file) in told


@given(
    st.one_of(
        hostile.texts(("schema", "workspace")),
        hostile.LEAF_TEXTS.map('{{"schema":{}}}'.format),
        hostile.texts(("root", "path")).map('{{"schema":1,"workspace":{}}}'.format),
    )
)
def test_json_of_any_form_is_a_record_error_or_a_lock(tmp_path_factory, text):
    file = tmp_path_factory.getbasetemp() / "fuzzed.lock"
    file.write_text(text)
    try:
        assert lockfile.read(file)["schema"] == 1
    except RecordError:
        pass


@given(st.binary(max_size=60))
def test_any_bytes_are_a_record_error_or_a_lock(tmp_path_factory, data):
    file = tmp_path_factory.getbasetemp() / "fuzzed.lock"
    file.write_bytes(data)
    try:
        assert lockfile.read(file)["schema"] == 1
    except RecordError:
        pass
