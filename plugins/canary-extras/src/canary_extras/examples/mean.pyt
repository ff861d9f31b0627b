# One test for each value of n: mean.n=10, mean.n=100, mean.n=1000.
import statistics

import canary

canary.directives.keywords("example", "fast")
canary.directives.parameterize("n", [10, 100, 1000])

if __name__ == "__main__":
    n = canary.get_instance().parameters.n
    mean = statistics.fmean(range(1, n + 1))
    print(f"the mean of 1 to {n} is {mean}")
    assert mean == (n + 1) / 2
