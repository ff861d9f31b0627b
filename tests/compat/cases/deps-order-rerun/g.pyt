import canary
d = canary.directives
d.parameterize("n", [1, 2, 3, 4, 5, 6, 7])
d.generate_composite_base_case()
if __name__ == "__main__":
    self = canary.get_instance()
    if self.multicase:
        assert self.parameters.n == (1, 2, 3, 4, 5, 6, 7)
        assert [d.parameters.n for d in self.dependencies] == [1, 2, 3, 4, 5, 6, 7]
