"""``vmap`` against a loop in plain Python that stacks the results."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest

import tracejit as tj

rng = np.random.default_rng(11)


def loop(function: Callable[..., Any], *arguments: Any, in_axes: Any = 0, out_axis: int = 0) -> Any:
    """The results for all lanes of a function of arrays that returns numbers, arrays or tuples of them."""
    axes = in_axes if isinstance(in_axes, tuple) else (in_axes,) * len(arguments)
    size = next(a.shape[axis] for a, axis in zip(arguments, axes) if axis is not None)
    outputs = [
        function(*(a if axis is None else np.moveaxis(a, axis, 0)[k] for a, axis in zip(arguments, axes)))
        for k in range(size)
    ]
    if isinstance(outputs[0], tuple):
        return tuple(np.stack(c, out_axis) for c in zip(*outputs))
    return np.stack(outputs, out_axis)


def same(actual: Any, expected: Any, tolerance: float = 1e-13) -> None:
    if isinstance(expected, tuple):
        assert isinstance(actual, tuple) and len(actual) == len(expected)
        for x, y in zip(actual, expected):
            same(x, y, tolerance)
        return
    assert type(actual) is np.ndarray and actual.dtype == expected.dtype and actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, tolerance, tolerance)


# --- programs whose lanes differ
def collatz(n: Any) -> Any:
    count = 0
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        count += 1
    return count


def escape(re: Any, im: Any, limit: Any) -> Any:
    x = y = 0.0
    for n in range(limit):
        if x * x + y * y > 4.0:
            return n
        x, y = x * x - y * y + re, 2 * x * y + im
    return limit


def kepler(mean: Any, eccentricity: Any) -> Any:
    e = mean
    while True:
        step = (e - eccentricity * np.sin(e) - mean) / (1 - eccentricity * np.cos(e))
        e -= step
        if abs(step) < 1e-12:
            break
    return e


def sort(values: Any) -> Any:
    values = values.copy()
    for i in range(1, len(values)):
        key, j = values[i], i - 1
        while j >= 0 and values[j] > key:
            values[j + 1] = values[j]
            j -= 1
        values[j + 1] = key
    return values


def spread(values: Any, threshold: Any) -> Any:
    large = values[values > threshold]
    return large.sum(), len(large)


def window(values: Any, start: Any, stop: Any) -> Any:
    part = values[start:stop]
    return part.sum() + part.size, part[::-1].max() if start < stop else -1.0


def network(x: Any, w: Any, v: Any) -> Any:
    return np.tanh(x @ w) @ v


def search(values: Any, wanted: Any) -> Any:
    low, high = 0, len(values)
    while low < high:
        middle = (low + high) // 2
        if values[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low


PROGRAMS: dict[str, tuple[Callable[..., Any], tuple[Any, ...], Any]] = {
    "collatz": (collatz, (np.arange(1, 30),), 0),
    "escape": (escape, (rng.uniform(-2, 1, 20), rng.uniform(-1, 1, 20), 40), (0, 0, None)),
    "escape limits": (escape, (rng.uniform(-2, 1, 20), rng.uniform(-1, 1, 20), np.arange(20)), 0),
    "kepler": (kepler, (rng.uniform(0, 3, 9), rng.uniform(0, 0.8, 9)), 0),
    "kepler shared": (kepler, (rng.uniform(0, 3, 9), 0.3), (0, None)),
    "sort": (sort, (rng.random((4, 6)),), 0),
    "sort columns": (sort, (rng.random((6, 4)),), 1),
    "spread": (spread, (rng.random((5, 7)), rng.random(5)), 0),
    "spread shared": (spread, (rng.random(7), rng.random(5)), (None, 0)),
    "window": (window, (rng.random((4, 9)), np.arange(4), np.array([2, 9, 2, 7])), 0),
    "window shared": (window, (rng.random(9), np.arange(4), np.array([2, 9, 2, 7])), (None, 0, 0)),
    "network": (network, (rng.random((5, 3)), rng.random((3, 4)), rng.random(4)), (0, None, None)),
    "network weights": (network, (rng.random(3), rng.random((5, 3, 4)), rng.random((4, 5))), (None, 0, 1)),
    "search": (search, (np.sort(rng.random((5, 9))), rng.random(5)), 0),
    "sum": (lambda x: x.sum(axis=0), (rng.random((2, 3, 4)),), 1),
    "matrix product": (lambda a, b: a @ b, (rng.random((6, 3, 3)), rng.random((3, 3, 6))), (0, 2)),
    "outer": (lambda a, b: a[:, None] * b, (rng.random((6, 3)), rng.random(4)), (0, None)),
    "fancy": (lambda a, i: a[i, i], (rng.random((6, 3, 3)), rng.integers(0, 3, (6, 4))), 0),
    "masked": (lambda a: np.where(a > 0.5, a, -a).cumsum(), (rng.random((6, 3)),), 0),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name: str) -> None:
    function, arguments, axes = PROGRAMS[name]
    mapped = tj.vmap(function, in_axes=axes)
    same(mapped(*arguments), loop(function, *arguments, in_axes=axes))
    compiled = tj.jit(mapped)
    same(compiled(*arguments), loop(function, *arguments, in_axes=axes))


@pytest.mark.parametrize("out", [0, 1, -1])
def test_axes_of_results(out: int) -> None:
    a = rng.random((3, 5))
    same(tj.vmap(lambda x: x * 2, in_axes=-1, out_axes=out)(a), loop(lambda x: x * 2, a, in_axes=1, out_axis=out))


def test_twice() -> None:
    x, y = rng.random(4), rng.random((3, 2))
    table = tj.vmap(tj.vmap(lambda a, b: a * b.sum() if a > 0.5 else b.max(), in_axes=(0, None)), in_axes=(None, 0))
    want = np.array([[a * b.sum() if a > 0.5 else b.max() for a in x] for b in y])
    same(table(x, y), want)
    grid = tj.vmap(tj.vmap(escape, (0, None, None)), (None, 0, None))
    re, im = np.linspace(-2, 1, 9), np.linspace(-1, 1, 7)
    same(grid(re, im, 30), np.array([[escape(a, b, 30) for a in re] for b in im]))


def test_as_a_decorator() -> None:
    @tj.vmap
    def double(x: Any) -> Any:
        "Twice."
        return 2 * x

    @tj.vmap(in_axes=(0, None))
    def times(x: Any, k: Any) -> Any:
        return k * x

    assert double(np.arange(3)).tolist() == [0, 2, 4] and times(np.arange(3), 5).tolist() == [0, 5, 10]
    assert times(k=4, x=np.arange(3)).tolist() == [0, 4, 8]
    assert list(inspect.signature(times).parameters) == ["x", "k"]


def test_inside_compiled_code() -> None:
    @tj.jit
    def total(xs: Any, k: Any) -> Any:
        return tj.vmap(lambda x: x * k if x > k else -x)(xs).sum()

    assert total(np.array([1.0, 5.0]), 2.0) == 9.0


class Pair(NamedTuple):
    first: Any
    second: Any


@dataclass
class Layer:
    w: Any
    b: Any


def test_structures() -> None:
    def f(p: Any) -> Any:
        return {"sum": p["a"].sum() + p["t"][0], "pair": Pair(p["t"][1].first, p["l"].w * p["l"].b), "none": None}

    p = {
        "a": rng.random((3, 2)),
        "t": (rng.random(3), Pair(rng.random(3), 1.0)),
        "l": Layer(rng.random(3), rng.random(3)),
    }
    axes = ({"a": 0, "t": (0, Pair(0, None)), "l": 0},)
    got = tj.vmap(f, in_axes=axes, out_axes={"sum": 0, "pair": Pair(0, 0), "none": None})(p)
    assert type(got["pair"]) is Pair and got["none"] is None
    same(got["sum"], p["a"].sum(1) + p["t"][0])
    same(got["pair"].second, p["l"].w * p["l"].b)
    columns = {"a": p["a"].T.copy(), "t": (p["t"][0], Pair(p["t"][1].first, 1.0)), "l": p["l"]}
    same(tj.vmap(f, in_axes=({"a": 1, "t": (0, Pair(0, None)), "l": 0},))(columns)["sum"], got["sum"])


def test_axes_by_name() -> None:
    def f(x: Any, y: Any = 2.0, *rest: Any, scale: Any = 1.0) -> Any:
        return (x + y) * scale + sum(rest)

    x = np.arange(3.0)
    same(tj.vmap(f, in_axes={"x": 0})(x, 5.0, scale=2.0), (x + 5) * 2)
    same(tj.vmap(f, in_axes={"scale": 0})(1.0, scale=x), 3 * x)
    same(tj.vmap(f)(x), x + 2)
    same(tj.vmap(f)(x, x, scale=x), 2 * x * x)
    same(tj.vmap(f, in_axes={"rest": 0})(1.0, 2.0, x, x), 3 + 2 * x)
    same(tj.vmap(f, in_axes=(0, None, None))(x, 1.0, 3.0), x + 4)
    same(tj.vmap(f, in_axes=(0,))(x), x + 2)


def test_results_that_all_lanes_share() -> None:
    x = np.arange(4.0)
    shared, own = tj.vmap(lambda a, k: (k * 2, a * k), in_axes=(0, None), out_axes=(None, 0))(x, 3)
    assert shared == 6 and type(shared) is int
    same(own, x * 3)
    label, _ = tj.vmap(lambda a: ("label", a), out_axes=(None, 0))(x)
    assert label == "label"
    same(tj.vmap(lambda a: 7)(x), np.full(4, 7))


def test_kinds_in_a_lane() -> None:
    def look(x: Any, row: Any, k: Any) -> Any:
        return x.dtype.itemsize + row.size + k

    got = tj.vmap(look, (0, 0, None))(np.ones(2, np.float32), np.ones((2, 3)), 1)
    assert got.tolist() == [8, 8] and got.dtype == np.int64
    assert tj.vmap(lambda n: n + 1)(np.array([127], np.int8)).dtype == np.int8  # a NumPy scalar, which wraps around


@pytest.mark.parametrize("size", [0, 1, 2, 17])
def test_numbers_of_lanes(size: int) -> None:
    x = rng.random(size)
    same(tj.vmap(lambda a: a * 2 if a > 0.5 else a)(x), np.where(x > 0.5, 2 * x, x))


def test_axis_size() -> None:
    same(tj.vmap(lambda k: k * 2, in_axes=None, axis_size=3)(4.0), np.full(3, 8.0))
    same(tj.vmap(lambda x: x, axis_size=2)(np.arange(2)), np.arange(2))


def test_versions() -> None:
    mapped = tj.vmap(collatz)
    for n in range(1, 9):
        same(mapped(np.arange(1, n + 1)), loop(collatz, np.arange(1, n + 1)))
    assert mapped.stats().versions == 2


def test_the_same_function_again_is_not_compiled_again() -> None:
    assert tj.vmap(collatz) is tj.vmap(collatz) and tj.vmap(collatz, (0,)) is not tj.vmap(collatz)
    assert tj.vmap(spread, {"values": 0}) is tj.vmap(spread, {"values": 0})


class Model:
    def __init__(self, k: float) -> None:
        self.k = k

    def scaled(self, x: Any) -> Any:
        return self.k * x if x > 1 else x

    def __call__(self, x: Any) -> Any:
        return self.k + x

    @tj.vmap(in_axes={"x": 0})
    def all_scaled(self, x: Any) -> Any:
        return self.k * x

    @staticmethod
    @tj.vmap
    def next(x: Any) -> Any:
        return x + 1


def test_what_can_be_called() -> None:
    x, model = np.arange(4.0), Model(2.0)
    for k in (2.0, 5.0):
        model.k = k
        same(tj.vmap(model.scaled)(x), np.where(x > 1, k * x, x))
        same(tj.vmap(model)(x), k + x)
        same(model.all_scaled(x), k * x)
    same(Model.next(x), x + 1)
    same(tj.vmap(functools.partial(lambda k, x: k * x, 3.0))(x), 3 * x)
    same(tj.vmap(np.sin)(x), np.sin(x))
    same(tj.vmap(tj.jit(lambda x: x * 2))(x), 2 * x)


# --- effects
def fill(row: Any, value: Any) -> None:
    if value > 0:
        row[:] = value


def test_writes_into_arguments() -> None:
    rows, values = rng.random((4, 3)), np.array([1.0, -1.0, 2.0, 0.0])
    want = rows.copy()
    for r, v in zip(want, values):
        fill(r, v)
    assert tj.vmap(fill)(rows, values) is None
    np.testing.assert_array_equal(rows, want)
    columns = rng.random((3, 4))
    want = columns.copy()
    for k, v in enumerate(values):
        fill(want[:, k], v)
    tj.vmap(fill, (1, 0))(columns, values)
    np.testing.assert_array_equal(columns, want)


def test_writes_into_what_lanes_share() -> None:
    def count(bins: Any, k: Any) -> Any:
        bins[k] += 1
        return bins.sum()

    bins = np.zeros(3, np.int64)
    assert tj.vmap(count, (None, 0))(bins, np.array([0, 2, 2, 1])).tolist() == [1, 2, 3, 4]
    assert bins.tolist() == [1, 1, 2]
    totals = np.zeros(2)

    def add(x: Any) -> None:
        totals[int(x) % 2] += x

    tj.vmap(add)(np.array([1.0, 2.0, 3.0]))
    assert totals.tolist() == [2.0, 4.0]


def test_prints(capsys: Any) -> None:
    def say(n: Any) -> Any:
        for k in range(n):
            print(n, k)
        return n

    tj.vmap(say)(np.array([2, 0, 1]))
    assert capsys.readouterr().out == "2 0\n2 1\n1 0\n"


def root(x: Any) -> Any:
    if x < 0:
        raise ValueError(f"no root of {x}")
    return x**0.5


def test_exceptions() -> None:
    with pytest.raises(ValueError, match=r"no root of -4\.0") as error:
        tj.vmap(root)(np.array([1.0, -4.0, -9.0]))
    assert error.value.__notes__ == ["in lane 1 of the vmap of root"]
    assert error.traceback[-1].lineno + 1 == inspect.getsourcelines(root)[1] + 2
    with pytest.raises(IndexError, match="index 5 is out of bounds for axis 0 with size 3") as error:
        tj.vmap(lambda a, i: a[i], (None, 0))(np.arange(3), np.array([0, 5, 7]))
    assert error.value.__notes__ == ["in lane 1 of the vmap of test_exceptions.<lambda>"]


# --- with derivatives
def loss(w: Any, x: Any, y: Any) -> Any:
    h = np.tanh(w["a"] @ x)
    return ((h @ w["b"] - y) ** 2).sum()


def test_gradients_per_example() -> None:
    w = {"a": rng.random((4, 3)), "b": rng.random(4)}
    x, y = rng.random((5, 3)), rng.random(5)
    each = tj.vmap(tj.grad(loss), (None, 0, 0))(w, x, y)
    for k in range(5):
        one = tj.grad(loss)(w, x[k], y[k])
        for key in w:
            np.testing.assert_allclose(each[key][k], one[key], 1e-12)
    total = tj.grad(lambda w: tj.vmap(loss, (None, 0, 0))(w, x, y).sum())(w)
    for key in w:
        np.testing.assert_allclose(total[key], each[key].sum(0), 1e-12)


@pytest.mark.parametrize("name", ["kepler", "escape smooth", "spread"])
def test_gradients_of_lanes_that_differ(name: str) -> None:
    def smooth(x: Any, n: Any) -> Any:
        y = x
        for _ in range(n):
            y = np.sin(y) * x if y > 0.3 else y + 0.5
        return y

    cases: dict[str, Any] = {
        "kepler": (kepler, (rng.uniform(0.5, 3, 6), rng.uniform(0, 0.6, 6))),
        "escape smooth": (smooth, (rng.uniform(0, 1, 6), np.arange(6))),
        "spread": (lambda v, t: spread(v * v, t)[0], (rng.random((6, 5)), rng.random(6))),
    }
    function, (x, more) = cases[name]
    each = tj.vmap(tj.grad(function))(x, more)
    for k in range(6):
        np.testing.assert_allclose(each[k], tj.grad(function)(x[k], more[k]), 1e-9)
    total = tj.grad(lambda x, more: tj.vmap(function)(x, more).sum())(x, more)
    np.testing.assert_allclose(total, each, 1e-9)


@pytest.mark.parametrize("shapes", ["static", "dynamic"])
def test_derivatives_by_rules_of_the_user(shapes: Any) -> None:
    @tj.custom_vjp
    def clipped(x: Any, low: Any) -> Any:
        return x * low

    clipped.defvjp(lambda x, low: (x * low, low), lambda low, ct: (np.clip(ct, -low, low), None))

    @tj.custom_jvp
    def softplus(x: Any) -> Any:
        return np.log1p(np.exp(x))

    @softplus.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        (x,), (t,) = primals, tangents
        return softplus(x), t / (1 + np.exp(-x))

    def f(x: Any, low: Any) -> Any:
        return (5.0 * clipped(x, low) + softplus(x)).sum()

    x = rng.uniform(-1, 1, (4, 3))
    for low, axis in ((0.5, None), (rng.random(4), 0)):
        want = np.broadcast_to(np.reshape(low, (-1, 1)), x.shape) + 1 / (1 + np.exp(-x))
        each = tj.jit(tj.vmap(tj.grad(f), (0, axis)), shapes=shapes)
        np.testing.assert_allclose(each(x, low), want, 1e-12)
        total = tj.jit(tj.grad(lambda x, low: tj.vmap(f, (0, axis))(x, low).sum()), shapes=shapes)
        np.testing.assert_allclose(total(x, low), want, 1e-12)


def test_jacobian_by_lanes() -> None:
    a, x = rng.random((4, 3)), rng.random(3)
    rows = tj.vmap(lambda e: tj.jvp(lambda x: np.tanh(a @ x), (x,), (e,))[1], out_axes=-1)(np.eye(3))
    np.testing.assert_allclose(rows, (1 - np.tanh(a @ x) ** 2)[:, None] * a, 1e-12)


# --- looking across lanes
def test_collectives() -> None:
    x = rng.random((4, 3))

    def f(row: Any) -> Any:
        i = tj.axis_index("i")
        rows = tj.all_gather(row, "i")
        return {
            "share": row / tj.psum(row, "i"), "centred": row - tj.pmean(row, "i"), "i": i, "own": rows[i],
            "next": rows[(i + 1) % 4], "top": tj.pmax(row.sum(), "i"), "low": tj.pmin(row[0], "i"),
            "count": tj.psum(1, "i"), "many": tj.psum(row > 0.5, "i"),
        }  # fmt: skip

    got = tj.vmap(f, axis_name="i")(x)
    same(got["share"], x / x.sum(0))
    same(got["centred"], x - x.mean(0))
    same(got["i"], np.arange(4))
    same(got["own"], x)
    same(got["next"], np.roll(x, -1, 0))
    same(got["top"], np.full(4, x.sum(1).max()))
    same(got["low"], np.full(4, x[:, 0].min()))
    same(got["count"], np.full(4, 4))
    same(got["many"], np.tile((x > 0.5).sum(0), (4, 1)))


def test_gradients_of_collectives() -> None:
    """Each lane has its own copy of what it is told: the cotangents of all copies add up."""
    x = np.arange(4.0)
    want = np.full(4, 4 * 2 * x.sum())
    same(tj.vmap(tj.grad(lambda x: tj.psum(x, "i") ** 2), axis_name="i")(x), want)
    same(tj.grad(lambda x: tj.vmap(lambda x: tj.psum(x, "i") ** 2, axis_name="i")(x).sum())(x), want)
    gathered = tj.grad(lambda x: (tj.all_gather(x, "i") ** 2).sum() * x)
    same(tj.vmap(gathered, axis_name="i")(x), (x**2).sum() + 2 * x * x.sum())


def test_collectives_of_two_axes() -> None:
    x = rng.random((2, 3))

    def f(v: Any) -> Any:
        return v / tj.psum(v, "rows"), v / tj.psum(v, "columns"), tj.axis_index("rows") * 10 + tj.axis_index("columns")

    rows, columns, places = tj.vmap(tj.vmap(f, axis_name="columns"), axis_name="rows")(x)
    same(rows, x / x.sum(0))
    same(columns, x / x.sum(1, keepdims=True))
    assert places.tolist() == [[0, 1, 2], [10, 11, 12]]


# --- what is refused
def refused(message: str, function: Any, *arguments: Any, **options: Any) -> None:
    with pytest.raises(ValueError, match=message):
        tj.vmap(function, **options)(*arguments)
    with pytest.raises(tj.errors.BatchError, match=message):
        tj.vmap(function, **options)(*arguments)


def test_sizes_that_disagree() -> None:
    def f(a: Any, b: Any) -> Any:
        return a

    text = "vmap of .*f: the numbers of lanes disagree: axis 0 of a has the length 3, axis 0 of b has the length 4"
    refused(text, f, np.zeros(3), np.zeros((4, 2)))
    refused("axis_size is 5, axis 0 of a has the length 3", f, np.zeros(3), np.zeros(3), axis_size=5)
    mapped = tj.vmap(f)
    for n in (2, 3, 4):
        mapped(np.zeros(n), np.zeros(n))
    with pytest.raises(ValueError, match="the numbers of lanes disagree"):
        mapped(np.zeros(7), np.zeros(6))


def test_axes_that_do_not_exist() -> None:
    def f(a: Any, k: Any = 0) -> Any:
        return a

    refused(r"vmap of .*f: a has no axis 1, its shape is \(3,\)", f, np.zeros(3), in_axes=1)
    refused(r"vmap of .*f: a has no axis -3, its shape is \(3, 2\)", f, np.zeros((3, 2)), in_axes=-3)
    refused("vmap of .*f: the result is .* with the lanes it has 1 axes, and out_axes asks for axis 1", f, np.zeros(3),
            out_axes=1)  # fmt: skip


def test_arguments_without_axes() -> None:
    def f(a: Any, k: Any) -> Any:
        return a

    refused("vmap of .*f: k is an int, which has no axis 0", f, np.zeros(3), 2)
    refused(r"vmap of .*f: k\['n'\] is a str, which has no axis 0", f, np.zeros(3), {"n": "text"})
    refused("no argument is mapped, so the number of lanes is not known", f, 1, 2, in_axes=None)


def test_structures_that_do_not_fit() -> None:
    def f(a: Any, k: Any) -> Any:
        return a, k

    x = np.zeros(3)
    refused("in_axes of the vmap of .*f has 1 entries, and this call has 2 positional arguments", f, x, x, in_axes=(0,))
    refused(r"in_axes for k of the vmap of .*f is \(0, 0\), a tuple of 2, and k is", f, x, x, in_axes=(0, (0, 0)))
    refused("out_axes of the vmap of .*f is .*, and the result is a tuple of 2", f, x, x, out_axes=(0, 0, 0))
    with pytest.raises(TypeError, match="in_axes has 'z', which is not a parameter of .*f"):
        tj.vmap(f, in_axes={"z": 0})
    with pytest.raises(TypeError, match="vmap takes a function, not 3"):
        tj.vmap(3)


def test_results_that_cannot_be_stacked() -> None:
    refused("the result is a str; only numbers and arrays can be stacked", lambda x: "text", np.zeros(2))
    refused(r"the result\[1\] is said to be the same in all lanes, but may differ", lambda x: (x, x), np.zeros(2),
            out_axes=(0, None))  # fmt: skip
    text = "the result of vmap is ragged: its axis 1 would have length 1 in lane 0 and length 2 in lane 1"
    with pytest.raises(ValueError, match=text):
        tj.vmap(lambda x: x[x > 0])(np.array([[1.0, -1], [1, 1]]))
    same(tj.vmap(lambda x: x[x > 0])(np.array([[1.0, -1], [-1, 2]])), np.array([[1.0], [2.0]]))


def test_changes_of_python_objects() -> None:
    log: list[Any] = []

    def f(x: Any) -> Any:
        log.append(x)
        return x

    refused("the function changes a Python object", f, np.zeros(2))


def test_names_of_axes() -> None:
    refused("psum looks across the lanes of a vmap with axis_name='j', but the names around it are 'i'",
            lambda x: tj.psum(x, "j"), np.zeros(2), axis_name="i")  # fmt: skip
    with pytest.raises(tj.errors.BatchError, match="there is none around it that has a name"):
        tj.psum(1.0, "i")

    def f(n: Any) -> Any:
        for _ in range(n):
            n = tj.psum(n, "i")
        return n

    refused("psum over 'i' needs all lanes, but lanes may part ways here", f, np.arange(3), axis_name="i")
