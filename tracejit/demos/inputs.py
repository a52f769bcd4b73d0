"""What each demo program is run on: one function per program, from a size and a seed to the tuple of arguments.

"tiny" takes plain Python about a millisecond (tests), "small" some tens of milliseconds (benchmarks), "demo" up to
about a second (`tracejit demo`). Where real data is small enough to stand here it is used: human haemoglobin, the Sun
and the outer planets.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Size = Literal["tiny", "small", "demo"]
Arguments = tuple[Any, ...]

# The coding sequence of human haemoglobin subunit beta (gene HBB).
HAEMOGLOBIN_BETA = (
    b"ATGGTGCATCTGACTCCTGAGGAGAAGTCTGCCGTTACTGCCCTGTGGGGCAAGGTGAACGTGGATGAAGTTGGTGGTGAGGCCCTGGGCAGGCTGCTGGTGGTC"
    b"TACCCTTGGACCCAGAGGTTCTTTGAGTCCTTTGGGGATCTGTCCACTCCTGATGCTGTTATGGGCAACCCTAAGGTGAAGGCTCATGGCAAGAAAGTGCTCGGT"
    b"GCCTTTAGTGATGGCCTGGCTCACCTGGACAACCTCAAGGGCACCTTTGCCACACTGAGTGAGCTGCACTGTGACAAGCTGCACGTGGATCCTGAGAACTTCAGG"
    b"CTCCTGGGCAACGTGCTGGTCTGTGTGCTGGCCCATCACTTTGGCAAAGAATTCACCCCACCAGTGCAGGCTGCCTATCAGAAAGTGGTGGCTGGTGTGGCTAAT"
    b"GCCCTGGCCCACAAGTATCACTAA"
)

# Sun, Jupiter, Saturn, Uranus, Neptune: astronomical units, days and solar masses as in the Computer Language
# Benchmarks Game, here with years for days and 4 * pi**2 solar masses for 1 so that the constant of gravity is 1.
SOLAR_MASS = 4 * np.pi**2
DAYS_PER_YEAR = 365.24
PLANETS = np.array(
    [
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0],
        [4.84143144246472090e00, -1.16032004402742839e00, -1.03622044471123109e-01,
         1.66007664274403694e-03, 7.69901118419740425e-03, -6.90460016972063023e-05, 9.54791938424326609e-04],
        [8.34336671824457987e00, 4.12479856412430479e00, -4.03523417114321381e-01,
         -2.76742510726411320e-03, 4.99852801234917238e-03, 2.30417297573763929e-05, 2.85885980666130812e-04],
        [1.28943695621391310e01, -1.51111514016986312e01, -2.23307578892655734e-01,
         2.96460137564761618e-03, 2.37847173959480950e-03, -2.96589568540237556e-05, 4.36624404335156298e-05],
        [1.53796971148509165e01, -2.59193146099879641e01, 1.79258772950371181e-01,
         2.68067772490389322e-03, 1.62824170038242295e-03, -9.51592254519715870e-05, 5.15138902046611451e-05],
    ]
)  # fmt: skip


def mutated(sequence: bytes, length: int, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The first `length` letters of a sequence, and a copy with substitutions and deletions at one place in ten."""
    original = np.frombuffer(sequence[:length], np.uint8)
    letters = rng.choice(np.frombuffer(b"ACGT", np.uint8), original.size)
    changed = np.where(rng.random(original.size) < 0.05, letters, original)
    return original, changed[rng.random(original.size) >= 0.05]


def picture(rows: int, columns: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """A noisy image with an edge and a slope: a bright disk before a horizon, values in 0..1."""
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    sky = 0.5 - 0.4 * y
    disk = np.where(x**2 + (y + 0.2) ** 2 < 0.25, 0.4, 0.0)
    image: NDArray[np.float64] = np.clip(sky + disk + rng.normal(0.0, 0.03, (rows, columns)), 0.0, 1.0)
    return image


def levenshtein(size: Size, seed: int) -> Arguments:
    return mutated(HAEMOGLOBIN_BETA, {"tiny": 20, "small": 150, "demo": 444}[size], np.random.default_rng(seed))


def smith_waterman(size: Size, seed: int) -> Arguments:
    return *levenshtein(size, seed), 3, -3, 2


def viterbi(size: Size, seed: int) -> Arguments:
    length, states, symbols = {"tiny": (20, 3, 4), "small": (250, 8, 4), "demo": (2000, 16, 4)}[size]
    rng = np.random.default_rng(seed)
    start = np.log(rng.dirichlet(np.ones(states)))
    transition = np.log(rng.dirichlet(np.ones(states), states))
    emission = np.log(rng.dirichlet(np.ones(symbols), states))
    return start, transition, emission, rng.integers(0, symbols, length)


def knapsack(size: Size, seed: int) -> Arguments:
    items, capacity = {"tiny": (8, 50), "small": (50, 1000), "demo": (200, 5000)}[size]
    rng = np.random.default_rng(seed)
    return rng.integers(1, 1000, items), rng.integers(1, capacity // 4, items), capacity


def game_of_life(size: Size, seed: int) -> Arguments:
    side, steps = {"tiny": (12, 4), "small": (128, 50), "demo": (512, 200)}[size]
    board = np.zeros((side, side + 3), np.uint8)
    board[1:-1, 1:-1] = np.random.default_rng(seed).random((side - 2, side + 1)) < 0.3
    return board, steps


def heat(size: Size, seed: int) -> Arguments:
    side, steps = {"tiny": (8, 4), "small": (128, 50), "demo": (512, 200)}[size]
    return np.random.default_rng(seed).random((side, side + 3)), 0.1, steps


def wave(size: Size, seed: int) -> Arguments:
    side, steps = {"tiny": (8, 4), "small": (128, 50), "demo": (512, 200)}[size]
    rng = np.random.default_rng(seed)
    x, y = np.linspace(-1, 1, side), np.linspace(-1, 1, side + 3)
    centre = rng.uniform(-0.5, 0.5, 2)
    hill = np.exp(-20.0 * ((x[:, None] - centre[0]) ** 2 + (y - centre[1]) ** 2))
    hill[0] = hill[-1] = hill[:, 0] = hill[:, -1] = 0.0
    return hill, 0.5, steps


def jacobi(size: Size, seed: int) -> Arguments:
    side, sweeps = {"tiny": (8, 6), "small": (64, 100), "demo": (256, 400)}[size]
    return np.random.default_rng(seed).standard_normal((side, side + 3)), 1e-6, sweeps


def sor(size: Size, seed: int) -> Arguments:
    side, sweeps = {"tiny": (8, 6), "small": (24, 40), "demo": (96, 100)}[size]
    rng = np.random.default_rng(seed)
    u, f = np.zeros((side, side + 3)), rng.standard_normal((side, side + 3))
    u[0], u[-1] = rng.random(side + 3), rng.random(side + 3)
    return u, f, 1.9, 1e-6, sweeps


def nbody(size: Size, seed: int) -> Arguments:
    """The outer solar system; the seed moves each coordinate by up to one part in a thousand."""
    steps = {"tiny": 3, "small": 200, "demo": 4000}[size]
    mass = PLANETS[:, 6] * SOLAR_MASS
    position, velocity = PLANETS[:, :3].copy(), PLANETS[:, 3:6] * DAYS_PER_YEAR
    position *= 1.0 + 1e-3 * np.random.default_rng(seed).uniform(-1.0, 1.0, position.shape)
    velocity -= (mass[:, None] * velocity).sum(axis=0) / mass.sum()
    return position, velocity, mass, 0.01, steps


def nbody_arrays(size: Size, seed: int) -> Arguments:
    bodies, steps = {"tiny": (4, 3), "small": (50, 20), "demo": (200, 100)}[size]
    rng = np.random.default_rng(seed)
    position, velocity = rng.standard_normal((bodies, 3)), 0.1 * rng.standard_normal((bodies, 3))
    return position, velocity, rng.random(bodies) / bodies, 0.1, 0.01, steps


def ising(size: Size, seed: int) -> Arguments:
    side, sweeps = {"tiny": (6, 3), "small": (24, 20), "demo": (64, 50)}[size]
    rng = np.random.default_rng(seed)
    spins = np.where(rng.random((side, side + 2)) < 0.7, 1, -1).astype(np.int8)
    return spins, rng.random((sweeps, side, side + 2)), 0.44


def floyd_steinberg(size: Size, seed: int) -> Arguments:
    rows, columns = {"tiny": (6, 8), "small": (64, 96), "demo": (480, 640)}[size]
    image = picture(rows, columns, np.random.default_rng(seed))
    return ((255 * image).astype(np.uint8),)


def bilateral_filter(size: Size, seed: int) -> Arguments:
    rows, columns, radius = {"tiny": (6, 8, 2), "small": (24, 32, 3), "demo": (96, 128, 5)}[size]
    return picture(rows, columns, np.random.default_rng(seed)), radius, 2.0, 0.1


def iir_filter(size: Size, seed: int) -> Arguments:
    """A Butterworth low-pass filter of fourth order at a tenth of the sampling rate on a noisy sine."""
    samples = {"tiny": 30, "small": 10_000, "demo": 200_000}[size]
    numerator = np.array([1.0, 4.0, 6.0, 4.0, 1.0]) * 0.004824343357716228
    denominator = np.array([1.0, -2.3695130071820376, 2.3139884144158800, -1.0546654058785672, 0.1873794923681847])
    noise = np.random.default_rng(seed).normal(0.0, 0.3, samples)
    return numerator, denominator, np.sin(0.05 * np.arange(samples)) + noise


def csr_product(size: Size, seed: int) -> Arguments:
    rows, per_row = {"tiny": (10, 3), "small": (2000, 20), "demo": (50_000, 20)}[size]
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 2 * per_row, rows)
    row_start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    columns = rng.integers(0, rows, row_start[-1]).astype(np.int32)
    return rng.standard_normal(columns.size), columns, row_start, rng.standard_normal(rows)


def union_find(size: Size, seed: int) -> Arguments:
    """Random edges. Of a few thousand, met again in every call, a processor learns by heart where each search ends."""
    nodes, edges = {"tiny": (12, 8), "small": (30_000, 30_000), "demo": (100_000, 100_000)}[size]
    return np.random.default_rng(seed).integers(0, nodes, (edges, 2)), nodes


def decision_tree(size: Size, seed: int) -> Arguments:
    """A complete tree that halves random features at random thresholds."""
    samples, features, depth = {"tiny": (10, 3, 3), "small": (2000, 8, 8), "demo": (50_000, 16, 12)}[size]
    rng = np.random.default_rng(seed)
    inner, nodes = 2**depth - 1, 2 ** (depth + 1) - 1
    number = np.arange(nodes)
    is_inner = number < inner
    feature = np.where(is_inner, rng.integers(0, features, nodes), -1).astype(np.int32)
    threshold = rng.uniform(0.3, 0.7, nodes)
    left = np.where(is_inner, 2 * number + 1, 0).astype(np.int32)
    right = np.where(is_inner, 2 * number + 2, 0).astype(np.int32)
    return rng.random((samples, features)), feature, threshold, left, right, rng.standard_normal(nodes)


def runge_kutta(size: Size, seed: int) -> Arguments:
    steps = {"tiny": 10, "small": 1000, "demo": 20_000}[size]
    return 1.0 + 0.1 * np.random.default_rng(seed).standard_normal(3), 0.01, steps


def mandelbrot(size: Size, seed: int) -> Arguments:
    """The picture is the same for every seed."""
    return {"tiny": (12, 9, 20), "small": (60, 50, 100), "demo": (240, 200, 200)}[size]


def mandelbrot_masks(size: Size, seed: int) -> Arguments:
    points, turns = {"tiny": (20, 10), "small": (5000, 50), "demo": (200_000, 100)}[size]
    rng = np.random.default_rng(seed)
    return rng.uniform(-2.0, 0.5, points) + 1j * rng.uniform(-1.25, 1.25, points), turns


def sieve(size: Size, seed: int) -> Arguments:
    """The limit grows with the seed by less than a hundredth."""
    limit = {"tiny": 200, "small": 100_000, "demo": 5_000_000}[size]
    return (limit + seed % (limit // 100),)


def collatz(size: Size, seed: int) -> Arguments:
    """The limit grows with the seed by less than a tenth."""
    limit = {"tiny": 20, "small": 2000, "demo": 50_000}[size]
    return (limit + seed % (limit // 10),)


def newton(size: Size, seed: int) -> Arguments:
    return (float(np.random.default_rng(seed).uniform(1.0, 1e6)),)


def monte_carlo_pi(size: Size, seed: int) -> Arguments:
    points = {"tiny": 50, "small": 20_000, "demo": 1_000_000}[size]
    return (np.random.default_rng(seed).random((points, 2)),)
