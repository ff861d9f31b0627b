"""`exclusive`: nothing else runs beside this job, so that what it times is not disturbed.

What it measures is kept with the job: `canary query job resources/stopwatch measurements`.
"""

import cmath
import sys
import time

import canary
from canary_pyt import directives

directives.keywords("benchmark")
directives.exclusive()


def dft(x):
    n = len(x)
    roots = [cmath.exp(-2j * cmath.pi * k / n) for k in range(n)]
    return [sum(v * roots[j * k % n] for j, v in enumerate(x)) for k in range(n)]


def fft(x):
    n = len(x)
    if n == 1:
        return x
    even, odd = fft(x[0::2]), fft(x[1::2])
    turned = [cmath.exp(-2j * cmath.pi * k / n) * v for k, v in enumerate(odd)]
    return [a + b for a, b in zip(even, turned)] + [a - b for a, b in zip(even, turned)]


def timed(function, x):
    began = time.perf_counter()
    result = function(x)
    return result, time.perf_counter() - began


def test():
    x = [complex(k * k % 17, k % 5) for k in range(256)]
    slow, slow_s = timed(dft, x)
    fast, fast_s = timed(fft, x)
    assert max(abs(a - b) for a, b in zip(slow, fast)) < 1e-9 * max(map(abs, slow))
    print(f"256 points: {slow_s * 1e3:.2f} ms by the definition, {fast_s * 1e3:.2f} ms by FFT")
    job = canary.get_job()
    job.add_measurement("dft_ms", slow_s * 1e3)
    job.add_measurement("fft_ms", fast_s * 1e3)
    return 0


if __name__ == "__main__":
    sys.exit(test())
