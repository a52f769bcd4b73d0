"""The demo programs give right answers in plain Python: each against another formulation or a known result."""

import doctest
import functools
import importlib
import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import scipy.integrate
import scipy.signal
import scipy.sparse

from tracejit.demos import PROGRAMS, answers, inputs, program
from tracejit.demos.dynamic_programming import knapsack, levenshtein, smith_waterman, viterbi
from tracejit.demos.grids import game_of_life, heat, jacobi, sor, wave
from tracejit.demos.images import bilateral_filter, floyd_steinberg, iir_filter
from tracejit.demos.numeric import (
    collatz,
    lorenz,
    mandelbrot,
    mandelbrot_masks,
    monte_carlo_pi,
    newton,
    runge_kutta,
    sieve,
)
from tracejit.demos.particles import ising, nbody, nbody_arrays
from tracejit.demos.structures import csr_product, decision_tree, union_find

SEEDS = range(5)


@pytest.mark.parametrize("demo", PROGRAMS, ids=lambda p: p.name)
def test_inputs_are_repeatable_and_programs_leave_the_given_arguments_alone(demo):
    arguments = demo.make_inputs("tiny", 3)
    answer = answers.run(demo.function, arguments)
    assert answers.difference(arguments, demo.make_inputs("tiny", 3)) == 0.0
    assert answers.difference(answers.run(demo.function, arguments), answer) == 0.0


@pytest.mark.parametrize("demo", PROGRAMS, ids=lambda p: p.name)
def test_programs_have_a_runnable_example(demo):
    assert doctest.DocTestFinder().find(demo.function, demo.name)[0].examples


@pytest.mark.parametrize("demo", PROGRAMS, ids=lambda p: p.name)
def test_programs_know_nothing_of_the_compiler(demo):
    names = vars(importlib.import_module(demo.function.__module__))
    assert not [name for name, value in names.items() if "tracejit" in getattr(value, "__name__", "").split(".")]


def test_names_are_unique_and_unknown_ones_are_refused():
    assert len({p.name for p in PROGRAMS}) == len(PROGRAMS)
    with pytest.raises(KeyError, match="sieve"):
        program("sive")


@pytest.mark.parametrize("seed", SEEDS)
def test_levenshtein(seed):
    a, b = map(bytes, inputs.levenshtein("tiny", seed))

    @functools.cache
    def distance(i, j):
        if i == 0 or j == 0:
            return i + j
        return min(distance(i - 1, j) + 1, distance(i, j - 1) + 1, distance(i - 1, j - 1) + (a[i - 1] != b[j - 1]))

    assert levenshtein(np.frombuffer(a, np.uint8), np.frombuffer(b, np.uint8)) == distance(len(a), len(b))


@pytest.mark.parametrize("seed", SEEDS)
def test_smith_waterman(seed):
    a, b, match, mismatch, gap = inputs.smith_waterman("tiny", seed)

    @functools.cache
    def ending_at(i, j):
        if i == 0 or j == 0:
            return 0
        diagonal = ending_at(i - 1, j - 1) + (match if a[i - 1] == b[j - 1] else mismatch)
        return max(0, diagonal, ending_at(i - 1, j) - gap, ending_at(i, j - 1) - gap)

    expected = np.array([[ending_at(i, j) for j in range(b.size + 1)] for i in range(a.size + 1)])
    table, score, i, j = smith_waterman(a, b, match, mismatch, gap)
    np.testing.assert_array_equal(table, expected)
    assert score == expected.max()
    assert (i, j) == np.unravel_index(expected.argmax(), expected.shape)


@pytest.mark.parametrize("seed", SEEDS)
def test_viterbi_finds_the_best_of_all_paths(seed):
    start, transition, emission, observations = inputs.viterbi("tiny", seed)
    observations = observations[:6]

    def log_probability(path):
        steps = sum(transition[r, s] for r, s in itertools.pairwise(path))
        return start[path[0]] + steps + sum(emission[s, o] for s, o in zip(path, observations))

    best = max(itertools.product(range(start.size), repeat=observations.size), key=log_probability)
    assert tuple(viterbi(start, transition, emission, observations)) == best


@pytest.mark.parametrize("seed", SEEDS)
def test_knapsack_finds_the_best_of_all_choices(seed):
    values, weights, capacity = inputs.knapsack("tiny", seed)
    choices = np.array(list(itertools.product([0, 1], repeat=values.size)))
    fitting = choices[choices @ weights <= capacity]
    assert knapsack(values, weights, capacity) == (fitting @ values).max()


def test_game_of_life():
    board, steps = inputs.game_of_life("tiny", 0)
    expected = board.copy()
    for _ in range(steps):
        neighbours = scipy.signal.convolve2d(expected, np.ones((3, 3), int), mode="same") - expected
        alive = (neighbours == 3) | ((neighbours == 2) & (expected == 1))
        alive[0] = alive[-1] = alive[:, 0] = alive[:, -1] = 0
        expected = alive.astype(np.uint8)
    result = game_of_life(board, steps)
    assert result is board
    np.testing.assert_array_equal(board, expected)


def standing_wave(rows, columns, i, j):
    """A mode of the Laplacian on a grid with zero boundary, and its eigenvalue."""
    y, x = np.arange(rows) / (rows - 1), np.arange(columns) / (columns - 1)
    mode = np.outer(np.sin(i * np.pi * y), np.sin(j * np.pi * x))
    half = np.pi / 2
    return mode, -4 * (math.sin(i * half / (rows - 1)) ** 2 + math.sin(j * half / (columns - 1)) ** 2)


def test_heat_damps_each_mode_by_its_factor():
    mode, eigenvalue = standing_wave(9, 12, 2, 3)
    assert_close(heat(mode.copy(), 0.2, 7), mode * (1 + 0.2 * eigenvalue) ** 7)


def test_wave_turns_each_mode_by_its_frequency():
    mode, eigenvalue = standing_wave(9, 12, 2, 3)
    angle = math.acos(1 + 0.5 * 0.25 * eigenvalue)
    assert_close(wave(mode, 0.5, 7), mode * math.cos(7 * angle))


def poisson(f, boundary):
    """The solution of the discrete equation by a direct solver."""
    rows, columns = f.shape
    number = np.arange(f.size).reshape(f.shape)
    matrix, right = np.eye(f.size), boundary.ravel().copy()
    for i, j in itertools.product(range(1, rows - 1), range(1, columns - 1)):
        here = number[i, j]
        matrix[here, [here, number[i - 1, j], number[i + 1, j], number[i, j - 1], number[i, j + 1]]] = 4, -1, -1, -1, -1
        right[here] = f[i, j]
    return np.linalg.solve(matrix, right).reshape(f.shape)


def test_jacobi():
    f, _, _ = inputs.jacobi("tiny", 0)
    u, sweeps = jacobi(f, 1e-12, 10_000)
    assert 10 < sweeps < 10_000
    np.testing.assert_allclose(u, poisson(f, np.zeros_like(f)), atol=1e-10)


def test_sor():
    u, f, omega, _, _ = inputs.sor("tiny", 0)
    expected = poisson(f, u)
    result, sweeps = sor(u, f, 1.5, 1e-12, 10_000)
    assert result is u
    assert sweeps < jacobi(f, 1e-12, 10_000)[1]
    np.testing.assert_allclose(u, expected, atol=1e-10)


def test_nbody_has_the_energy_of_the_benchmarks_game():
    mass = inputs.PLANETS[:, 6] * inputs.SOLAR_MASS
    position, velocity = inputs.PLANETS[:, :3].copy(), inputs.PLANETS[:, 3:6] * inputs.DAYS_PER_YEAR
    velocity[0] = -(mass[1:, None] * velocity[1:]).sum(axis=0) / mass[0]
    assert round(nbody(position.copy(), velocity.copy(), mass, 0.01, 0), 9) == -0.169075164
    assert round(nbody(position, velocity, mass, 0.01, 1000), 9) == -0.169087605


def test_nbody_arrays_is_nbody_without_softening():
    position, velocity, mass, dt, steps = inputs.nbody("tiny", 0)
    by_loops = answers.run(nbody, (position, velocity, mass, dt, steps)).arguments
    nbody_arrays(position, velocity, mass, 0.0, dt, steps)
    assert_close(position, by_loops[0])
    assert_close(velocity, by_loops[1])


@pytest.mark.parametrize("seed", SEEDS)
def test_ising_turns_spins_by_the_energy_of_the_whole_lattice(seed):
    spins, randoms, beta = inputs.ising("tiny", seed)
    expected = spins.astype(int)

    def energy(lattice):
        return -(lattice * np.roll(lattice, 1, axis=0)).sum() - (lattice * np.roll(lattice, 1, axis=1)).sum()

    magnetisation = []
    for sweep in randoms:
        for site in np.ndindex(spins.shape):
            turned = expected.copy()
            turned[site] *= -1
            if sweep[site] < math.exp(-beta * max(0, energy(turned) - energy(expected))):
                expected = turned
        magnetisation.append(expected.mean())
    assert_close(ising(spins, randoms, beta), magnetisation)
    np.testing.assert_array_equal(spins, expected)


def test_floyd_steinberg():
    (image,) = inputs.floyd_steinberg("tiny", 0)
    work = {site: Fraction(int(value)) for site, value in np.ndenumerate(image)}
    expected = np.zeros_like(image)
    for i, j in np.ndindex(image.shape):
        expected[i, j] = 255 if work[i, j] >= 128 else 0
        error = work[i, j] - int(expected[i, j])
        for site, share in {(i, j + 1): 7, (i + 1, j - 1): 3, (i + 1, j): 5, (i + 1, j + 1): 1}.items():
            if site in work:
                work[site] += error * share / 16
    np.testing.assert_array_equal(floyd_steinberg(image), expected)


def test_bilateral_filter():
    image, radius, sigma_space, sigma_value = inputs.bilateral_filter("tiny", 0)
    row, column = np.indices(image.shape)
    expected = np.empty_like(image)
    for i, j in np.ndindex(image.shape):
        near = (abs(row - i) <= radius) & (abs(column - j) <= radius)
        distance = ((row - i) ** 2 + (column - j) ** 2) / sigma_space**2 + (image - image[i, j]) ** 2 / sigma_value**2
        expected[i, j] = np.average(image, weights=near * np.exp(-distance / 2))
    assert_close(bilateral_filter(image, radius, sigma_space, sigma_value), expected)


def test_iir_filter():
    numerator, denominator, signal = inputs.iir_filter("tiny", 0)
    assert_close(iir_filter(numerator, denominator, signal), scipy.signal.lfilter(numerator, denominator, signal))
    butterworth = scipy.signal.butter(4, 0.2)
    np.testing.assert_allclose([numerator, denominator], butterworth, rtol=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_csr_product(seed):
    data, columns, row_start, x = inputs.csr_product("tiny", seed)
    matrix = scipy.sparse.csr_matrix((data, columns, row_start), shape=(row_start.size - 1, x.size))
    assert_close(csr_product(data, columns, row_start, x), matrix.toarray() @ x)


@pytest.mark.parametrize("seed", SEEDS)
def test_union_find(seed):
    edges, nodes = inputs.union_find("tiny", seed)
    graph = scipy.sparse.coo_matrix((np.ones(len(edges)), edges.T), shape=(nodes, nodes))
    count, labels = scipy.sparse.csgraph.connected_components(graph, directed=False)
    smallest = [np.flatnonzero(labels == label)[0] for label in labels]
    parent, components = union_find(edges, nodes)
    assert components == count
    np.testing.assert_array_equal(parent, smallest)


@pytest.mark.parametrize("seed", SEEDS)
def test_decision_tree(seed):
    samples, feature, threshold, left, right, value = inputs.decision_tree("tiny", seed)

    def predict(node, chosen):
        if not chosen.any():
            return np.zeros(chosen.size)
        if feature[node] < 0:
            return np.where(chosen, value[node], 0.0)
        low = samples[:, feature[node]] <= threshold[node]
        return predict(left[node], chosen & low) + predict(right[node], chosen & ~low)

    predictions = decision_tree(samples, feature, threshold, left, right, value)
    np.testing.assert_array_equal(predictions, predict(0, np.ones(len(samples), bool)))


def test_sieve():
    expected = [n > 1 and all(n % d for d in range(2, n)) for n in range(200)]
    np.testing.assert_array_equal(sieve(200), expected)
    assert np.count_nonzero(sieve(10**6)) == 78498


def test_collatz():
    @functools.cache
    def steps(n):
        return 0 if n == 1 else 1 + steps(n // 2 if n % 2 == 0 else 3 * n + 1)

    best = max(range(1, 300), key=steps)
    assert collatz(300) == (best, steps(best))
    assert collatz(10_000) == (6171, 261)


@pytest.mark.parametrize("a", [0.0, 1e-6, 0.5, 1.0, 2.0, 1e6])
def test_newton(a):
    # The iteration stops when the error of x * x is below the tolerance, however small a is.
    assert newton(a) == pytest.approx(math.sqrt(a), rel=1e-12, abs=2e-6)


def test_newton_refuses_negative_numbers():
    with pytest.raises(ValueError, match="not real"):
        newton(-1.0)


def test_monte_carlo_pi():
    (points,) = inputs.monte_carlo_pi("small", 0)
    assert monte_carlo_pi(points) == 4 * np.mean(np.hypot(*points.T) <= 1)
    assert monte_carlo_pi(points) == pytest.approx(math.pi, abs=0.05)


def test_runge_kutta():
    start = np.array([1.0, 1.0, 1.0])
    exact = scipy.integrate.solve_ivp(lambda _, y: lorenz(y), (0, 1), start, rtol=1e-12, atol=1e-12).y[:, -1]
    errors = [abs(runge_kutta(start, 1 / n, n)[-1] - exact).max() for n in (400, 800)]
    assert errors[1] < 1e-7
    assert 12 < errors[0] / errors[1] < 20  # fourth order: half the step, a sixteenth of the error


def test_mandelbrot():
    width, height, turns = 25, 21, 40
    x, y = np.linspace(-2, 0.5, width), np.linspace(-1.25, 1.25, height)
    c = x + 1j * y[:, None]
    z, expected = np.zeros_like(c), np.zeros(c.shape, int)
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(turns):
            expected += abs(z) <= 2
            z = z * z + c
    np.testing.assert_array_equal(mandelbrot(width, height, turns), expected)
    np.testing.assert_array_equal(mandelbrot_masks(c.ravel(), turns), expected.ravel())


def assert_close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-13)
