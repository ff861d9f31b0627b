import canary
canary.directives.depends_on({"job": "b", "when": "always"})
if __name__ == "__main__":
    (b,) = canary.get_instance().dependencies
    assert (b.name, b.status.outcome.name) == ("b", "BLOCKED")
    assert b.parameters.asdict() == {}
