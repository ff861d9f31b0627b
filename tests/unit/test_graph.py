"""Dependencies become edges; every fault is found at once and named."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary import graph
from canary.errors import GraphError
from canary.graph import Edge
from canary.spec import DependencyPattern, JobSpec


def spec(name, *depends, path=None, root="/r", id=None, family=None, **more):
    """A spec whose dependencies are patterns, or what `DependencyPattern` takes."""
    patterns = tuple(
        d if isinstance(d, DependencyPattern) else DependencyPattern(d) for d in depends
    )
    family = family or name.partition(".")[0]
    return JobSpec(
        file_root=root,
        file_path=path or f"{family}.x",
        id=id or f"{name}-id",
        family=family,
        name=name,
        command=("true",),
        dependencies=patterns,
        **more,
    )


def build(*specs, faults=0):
    made, errors = graph.build(specs)
    assert len(errors) == faults, errors
    return made if not faults else (made, errors)


def upstream(made, name):
    return [e.id.removesuffix("-id") for e in made.upstream(f"{name}-id")]


# patterns


MESH = [
    spec("mesh.n=1", path="d/mesh.x"),
    spec("mesh.n=2", path="d/mesh.x"),
    spec("other", path="e/other.x", id="feed"),
]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("mesh.n=1-id", ["mesh.n=1"]),
        ("mesh.n=1", ["mesh.n=1"]),
        ("mesh", ["mesh.n=1", "mesh.n=2"]),
        ("d/mesh.n=2", ["mesh.n=2"]),
        ("d/mesh.x", ["mesh.n=1", "mesh.n=2"]),
        ("/r/d/mesh.x", ["mesh.n=1", "mesh.n=2"]),
        ("feed", ["feed"]),
        ("mesh.n=*", ["mesh.n=1", "mesh.n=2"]),
        ("mesh.n=[2-9]", ["mesh.n=2"]),
        ("?/mesh.n=1", ["mesh.n=1"]),
        ("fee?", ["feed"]),
        ("d/* other", ["mesh.n=1", "mesh.n=2", "feed"]),
        ("'mesh.n=1' other", ["mesh.n=1", "feed"]),
        ("*", ["mesh.n=1", "mesh.n=2", "feed"]),
    ],
)
def test_a_pattern_matches_id_name_family_full_name_and_path(pattern, found):
    made = build(*MESH, spec("me", pattern))
    assert sorted(upstream(made, "me")) == sorted(found)


@pytest.mark.parametrize("pattern", ["MESH", "mes", "mesh.n", "n=1", "d", "[m]es", "D/*"])
def test_matching_is_whole_and_case_sensitive(pattern):
    made, _ = build(*MESH, spec("me", pattern), faults=1)
    assert upstream(made, "me") == []


def test_a_part_that_matches_nothing_is_fine_beside_one_that_does():
    assert upstream(build(*MESH, spec("me", "other nothing*")), "me") == ["feed"]


def test_a_name_that_looks_like_a_pattern_is_found_by_itself():
    made = build(spec("a[1]"), spec("me", "a[1]"))
    assert upstream(made, "me") == ["a[1]"]


def test_a_job_never_matches_itself():
    made = build(spec("a.n=1", "a.n=*"), spec("a.n=2"))
    assert upstream(made, "a.n=1") == ["a.n=2"]


def test_the_condition_goes_with_the_edge_and_the_first_of_two_counts():
    depends = (DependencyPattern("a", "always"), DependencyPattern("*", "on_failure"))
    made = build(spec("a"), spec("b"), spec("me", *depends))
    assert made.upstream("me-id") == (Edge("a-id", "always"), Edge("b-id", "on_failure"))


def test_known_ids_are_not_matched_again():
    known = DependencyPattern("anything", ids=("a-id", "b-id"))
    made = build(spec("a"), spec("b"), spec("anything"), spec("me", known))
    assert upstream(made, "me") == ["a", "b"]


# expects


@pytest.mark.parametrize(
    ("expects", "fine"),
    [("+", {1, 2, 3}), ("?", {0, 1}), ("*", {0, 1, 2, 3}), (2, {2}), (1, {1}), (3, {3})],
)
@pytest.mark.parametrize("n", range(4))
def test_expects(expects, fine, n):
    found = [spec(f"a.n={i}") for i in range(n)]
    me = spec("me", DependencyPattern("a.*", expects=expects, line=7), path="d/me.x")
    if n in fine:
        assert len(build(*found, me).upstream("me-id")) == n
        return
    made, (error,) = build(*found, me, faults=1)
    assert isinstance(error, GraphError)
    for part in ("me depends on 'a.*'", f"matches {n} job(s)", "expected"):
        assert part in str(error)
    assert (error.file, error.line) == ("/r/d/me.x", 7)
    assert str(error) == made.invalid["me-id"]


def test_a_pattern_that_matches_nothing_names_file_line_and_pattern():
    _, (error,) = build(spec("me", DependencyPattern("zzz", line=3)), faults=1)
    assert str(error).startswith("/r/me.x:3: me depends on 'zzz', which matches 0 job(s)")


def test_a_pattern_that_cannot_be_split_is_named():
    _, (error,) = build(spec("me", 'a"b'), faults=1)
    assert "cannot be read" in str(error)


def test_all_faults_are_found_at_once():
    _, errors = build(
        spec("a", "nothing"), spec("b", "nowhere"), spec("c", "d"), spec("d", "c"), faults=3
    )
    assert {e.message.split()[0] for e in errors} == {"a", "b", "these"}


# duplicates


def test_two_jobs_of_one_id_are_an_error_naming_both():
    made, (error,) = build(spec("a", id="x"), spec("b", id="x"), faults=1)
    assert "'b' has the same ID as 'a' of /r/a.x" in str(error)
    assert error.file == "/r/b.x"
    assert made.specs["x"].name == "a"
    assert "x" in made.invalid


def test_a_file_that_is_found_twice_is_one():
    assert list(build(spec("a"), spec("a"), spec("a")).specs) == ["a-id"]


# cycles


def test_a_cycle_is_a_path_of_names():
    a = spec("a", DependencyPattern("b", line=5), path="d/a.x")
    made, (error,) = build(a, spec("b", "c"), spec("c", "a"), spec("d", "a"), faults=1)
    assert error.message == "these jobs wait for each other: a -> b -> c -> a"
    assert (error.file, error.line) == ("/r/d/a.x", 5)
    assert set(made.invalid) == {"a-id", "b-id", "c-id"}
    assert made.order() == ["a-id", "b-id", "c-id", "d-id"]


def test_each_cycle_is_named_once():
    made, errors = build(
        spec("a", "b"), spec("b", "a"), spec("c", "d"), spec("d", "c b"), spec("e", "d"), faults=2
    )
    paths = {e.message.partition(": ")[2] for e in errors}
    assert paths == {"a -> b -> a", "c -> d -> c"}
    assert sorted(made.order()) == sorted(made.specs)


def test_a_long_cycle():
    n = 5000
    specs = [spec(f"j{i}", f"j{(i + 1) % n}") for i in range(n)]
    _, (error,) = build(*specs, faults=1)
    assert error.message.endswith(
        "j0 -> j1 -> j2 -> j3 -> j4 -> j5 -> ... 4989 more ..."
        " -> j4995 -> j4996 -> j4997 -> j4998 -> j4999 -> j0"
    )


# order and closures


def diamond():
    return build(spec("d", "b", "c"), spec("b", "a"), spec("c", "a"), spec("a"), spec("e"))


def test_order_is_after_what_is_depended_on():
    order = diamond().order()
    assert order == ["a-id", "e-id", "b-id", "c-id", "d-id"]
    assert build(spec("b"), spec("a")).order() == ["b-id", "a-id"]


def test_descendants():
    made = diamond()
    assert made.descendants(["c-id"]) == {"c-id", "d-id"}
    assert made.descendants(["e-id"]) == {"e-id"}
    assert made.children()["a-id"] == ["b-id", "c-id"]
    assert made.descendants([]) == set()


def test_descendants_that_need_a_job_run():
    last = spec("last", DependencyPattern("first", "if_run"))
    made = build(spec("first"), last, spec("after", "last"))
    assert made.descendants(["first-id"]) == {"first-id", "last-id", "after-id"}
    assert made.descendants(["first-id"], if_run=False) == {"first-id"}
    assert made.descendants(["last-id"], if_run=False) == {"last-id", "after-id"}


@given(st.data(), st.integers(1, 25))
def test_every_graph_without_a_cycle_has_an_order(data, n):
    rows = [data.draw(st.sets(st.integers(0, i - 1), max_size=3)) if i else set() for i in range(n)]
    shuffle = data.draw(st.permutations(range(n)))
    made = build(*(spec(f"j{i}", *(f"j{p}" for p in rows[i])) for i in shuffle))
    place = {id: i for i, id in enumerate(made.order())}
    assert len(place) == n
    for i, row in enumerate(rows):
        assert all(place[f"j{p}-id"] < place[f"j{i}-id"] for p in row)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30))
def test_whatever_is_wrong_the_rest_is_a_graph(pairs):
    depends = {i: [f"j{b}" for a, b in pairs if a == i and b != i] for i in range(10)}
    made, _ = graph.build([spec(f"j{i}", *depends[i]) for i in range(10)])
    assert sorted(made.order()) == sorted(made.specs)
    for i, wanted in depends.items():
        kept = set(upstream(made, f"j{i}"))
        # what is in no cycle stays, also of a job that is in one
        assert {j for j in wanted if f"j{i}" not in _behind(depends, j)} <= kept <= set(wanted)


def _behind(depends, name):
    """All that it waits for, in the end."""
    seen, todo = set(), [name]
    while todo:
        new = set(depends[int(todo.pop()[1:])]) - seen
        seen |= new
        todo += new
    return seen


# size


def within(seconds, work):
    best = float("inf")
    for _ in range(3):
        began = time.perf_counter()
        made = work()
        best = min(best, time.perf_counter() - began)
        if best < seconds:
            return made
    raise AssertionError(f"took {best:.1f} s")


def test_a_chain_of_ten_thousand():
    specs = [spec(f"j{i}", *([f"j{i - 1}"] if i else [])) for i in range(10_000)]
    made = within(2.0, lambda: build(*reversed(specs)))
    assert within(2.0, made.order) == [f"j{i}-id" for i in range(10_000)]
    assert len(within(2.0, lambda: made.descendants(["j0-id"]))) == 10_000


def test_a_fan_by_pattern_of_ten_thousand():
    specs = [spec(f"m.n={i}", "first") for i in range(10_000)]
    made = within(2.0, lambda: build(spec("first"), *specs, spec("last", "m.n=*")))
    assert len(made.upstream("last-id")) == 10_000


def test_setup_and_teardown_of_ten_thousand():
    specs = [spec(f"m.n={i}", path=f"d{i % 100}/m.x") for i in range(10_000)]
    made = within(2.0, lambda: build(fixture("", "setup"), *specs, fixture("", "teardown")))
    assert len(made.upstream("-teardown-id")) == 10_001


# fixtures


def fixture(directory, kind):
    path = f"{directory}/conf.x" if directory else "conf.x"
    return spec(f"{directory}-{kind}", path=path, fixture=kind)


FIXTURES = [
    fixture("", "setup"),
    fixture("a", "setup"),
    fixture("a", "teardown"),
    fixture("", "teardown"),
    spec("t", path="t.x"),
    spec("u", path="a/u.x"),
    spec("v", path="a/b/v.x"),
    spec("w", path="ab/w.x"),
]


@pytest.mark.parametrize("specs", [FIXTURES, FIXTURES[::-1]], ids=["first", "last"])
def test_fixtures_stand_around_what_is_at_or_below_their_directory(specs):
    made = build(*specs)
    wanted = {
        "t": {"-setup"},
        "u": {"-setup", "a-setup"},
        "v": {"-setup", "a-setup"},
        "w": {"-setup"},
        "-setup": set(),
        "a-setup": {"-setup"},
        "a-teardown": {"-setup", "a-setup", "u", "v"},
        "-teardown": {"-setup", "a-setup", "a-teardown", "t", "u", "v", "w"},
    }
    assert {name: set(upstream(made, name)) for name in wanted} == wanted


def conditions(made, name):
    return {e.id.removesuffix("-id"): e.when for e in made.upstream(f"{name}-id")}


@pytest.mark.parametrize("specs", [FIXTURES, FIXTURES[::-1]], ids=["first", "last"])
def test_tests_need_their_setup_and_a_teardown_comes_whatever_happened(specs):
    made = build(*specs)
    assert set(conditions(made, "v").values()) == {"on_success"}
    assert set(conditions(made, "-teardown").values()) == {"always"}
    below = conditions(made, "a-teardown")
    assert below.pop("-setup") == "on_success"  # without it nothing was set up here either
    assert set(below.values()) == {"always"}


def test_two_fixtures_of_a_kind_do_not_wait_for_each_other():
    made = build(
        spec("s1", path="s1.x", fixture="setup"),
        spec("s2", path="s2.x", fixture="setup"),
        spec("t1", path="t1.x", fixture="teardown"),
        spec("t2", path="t2.x", fixture="teardown"),
        spec("x"),
    )
    assert upstream(made, "s1") == upstream(made, "s2") == []
    assert set(upstream(made, "t1")) == set(upstream(made, "t2")) == {"s1", "s2", "x"}


def test_fixtures_are_of_one_root():
    made = build(fixture("", "setup"), spec("t", path="t.x", root="/other"))
    assert upstream(made, "t") == []


def test_a_dependency_of_the_user_keeps_its_condition():
    me = spec("me", DependencyPattern("-setup", "always"), path="me.x")
    made = build(fixture("", "setup"), me)
    assert conditions(made, "me") == {"-setup": "always"}


# places


def places(*specs):
    made = build(*specs)
    return [(s.work_path, s.result_path) for s in made.specs.values()]


def test_paths_that_do_not_clash_are_kept():
    assert places(spec("a"), spec("b", path="d/b.x")) == [("a", "a"), ("d/b", "d/b")]


def test_a_path_that_is_taken_gets_the_id():
    """Two roots with the same tree below."""
    made = places(spec("a", root="/r1", id="1" * 64), spec("a", root="/r2", id="2" * 64))
    assert made == [("a", "a"), ("a~2222222", "a~2222222")]


def test_no_directory_is_inside_another():
    flat = spec("a", id="1" * 64)
    deep = spec("b", path="a/b.x", id="2" * 64)
    assert places(flat, deep) == [("a~1111111", "a~1111111"), ("a/b", "a/b")]
    assert places(deep, flat) == [("a/b", "a/b"), ("a~1111111", "a~1111111")]


def test_ids_that_begin_alike_are_told_apart():
    made = [spec("n", family="f", id=f"0000000{c}", exec_path="p") for c in "abc"]
    works = [work for work, _ in places(*made)]
    assert len(set(works)) == 3


@given(st.lists(st.lists(st.sampled_from(["a", "b", "..", "a~0"]), min_size=1, max_size=3)))
def test_places_are_always_apart(paths):
    specs = [spec("n", id=f"{i:08d}", exec_path="/".join(p)) for i, p in enumerate(paths)]
    made, errors = graph.build(specs)
    assert errors == []
    works = [s.work_path + "/" for s in made.specs.values()]
    for i, one in enumerate(works):
        assert not any(other.startswith(one) for j, other in enumerate(works) if i != j)
