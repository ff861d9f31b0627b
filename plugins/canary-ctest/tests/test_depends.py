"""Who waits for whom."""

from __future__ import annotations

from canary_ctest.depends import Fixtures


def rows(**tests):
    return [
        {"name": name, "command": ["x"], "properties": properties}
        for name, properties in tests.items()
    ]


def edges(made):
    fixtures = Fixtures(made)
    return {
        row["name"]: {made[j]["name"]: when for j, when in fixtures.edges(i).items()}
        for i, row in enumerate(made)
        if fixtures.edges(i)
    }


def test_depends():
    made = rows(a={}, b={"DEPENDS": ["a", "nobody", "b"]})
    assert edges(made) == {"b": {"a": "on_success"}}


def test_fixtures():
    """With the edges that ctest adds to DEPENDS by itself, and without."""
    plain = {
        "up": {"FIXTURES_SETUP": ["db"]},
        "down": {"FIXTURES_CLEANUP": ["db"]},
        "use": {"FIXTURES_REQUIRED": ["db", "other"]},
    }
    want = {
        "use": {"up": "on_success"},
        "down": {"up": "always", "use": "if_run"},
    }
    assert edges(rows(**plain)) == want
    plain["use"]["DEPENDS"] = ["up"]
    plain["down"]["DEPENDS"] = ["use", "up"]
    assert edges(rows(**plain)) == want


def test_a_cleanup_may_need_another_fixture():
    made = rows(
        net={"FIXTURES_SETUP": ["net"]},
        up={"FIXTURES_SETUP": ["db"], "FIXTURES_REQUIRED": ["net"]},
        down={"FIXTURES_CLEANUP": ["db"], "FIXTURES_REQUIRED": ["net"]},
    )
    assert edges(made) == {
        "up": {"net": "on_success"},
        "down": {"net": "on_success", "up": "always"},
    }


def test_a_cleanup_needs_the_setups_and_not_the_users():
    """Also of those that are both."""
    made = rows(
        up={"FIXTURES_SETUP": ["db"], "FIXTURES_REQUIRED": ["net"]},
        use={"FIXTURES_REQUIRED": ["db"]},
        down={"FIXTURES_CLEANUP": ["db", "net"]},
    )
    assert edges(made)["down"] == {"up": "always", "use": "if_run"}


def test_nobody_waits_for_who_is_disabled():
    made = rows(
        off={"FIXTURES_SETUP": ["db"], "DISABLED": True},
        up={"FIXTURES_SETUP": ["db"]},
        use={"FIXTURES_REQUIRED": ["db"]},
        after={"DEPENDS": ["off", "up"]},
    )
    assert edges(made) == {"use": {"up": "on_success"}, "after": {"up": "on_success"}}


def test_a_cleanup_does_not_wait_for_who_is_disabled():
    made = rows(
        up={"FIXTURES_SETUP": ["db"]},
        off={"FIXTURES_REQUIRED": ["db"], "DISABLED": True},
        down={"FIXTURES_CLEANUP": ["db"], "DEPENDS": ["off", "up"]},
    )
    assert edges(made)["down"] == {"up": "always"}


def test_all_of_a_name_are_meant():
    made = [*rows(a={}), *rows(a={}), *rows(b={"DEPENDS": ["a"]})]
    assert Fixtures(made).edges(2) == {0: "on_success", 1: "on_success"}
    patterns = Fixtures(made).patterns(2, ["i0", "i1", "i2"])
    assert [(p.pattern, p.ids) for p in patterns] == [("a", ("i0",)), ("a", ("i1",))]
