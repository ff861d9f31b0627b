"""A helper that tests link into their directories."""


def solve(lower, diagonal, upper, right):
    """Solve a tridiagonal system (Thomas); `lower[0]` and `upper[-1]` are not used."""
    n = len(diagonal)
    d, r = list(diagonal), list(right)
    for i in range(1, n):
        w = lower[i] / d[i - 1]
        d[i] -= w * upper[i - 1]
        r[i] -= w * r[i - 1]
    x = [0.0] * n
    x[-1] = r[-1] / d[-1]
    for i in range(n - 2, -1, -1):
        x[i] = (r[i] - upper[i] * x[i + 1]) / d[i]
    return x
