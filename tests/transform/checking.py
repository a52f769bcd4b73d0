"""Derivative programs against each other and against central differences of the program they come from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tracejit.ir.core import Function
from tracejit.ir.text import parse_function
from tracejit.ir.verify import verify
from tracejit.ops import REGISTRY
from tracejit.ops.interpret import interpret
from tracejit.transform.jvp import jvp
from tracejit.transform.structure import is_float
from tracejit.transform.vjp import linearize, split, vjp

Arrays = list[np.ndarray]


def parse(text: str) -> Function:
    function = parse_function(text, REGISTRY)
    verify(function)
    return function


def floats(values: Sequence[Any]) -> list[int]:
    """Positions of the floating-point IR values."""
    return [k for k, v in enumerate(values) if is_float(v)]


def random_like(rng: np.random.Generator, x: Any) -> np.ndarray:
    x = np.asarray(x)
    y = rng.uniform(-1, 1, x.shape)
    if x.dtype.kind == "c":
        y = y + 1j * rng.uniform(-1, 1, x.shape)
    return np.asarray(y, x.dtype)


def pairing(cts: Sequence[np.ndarray], tangents: Sequence[np.ndarray]) -> float:
    """The number that a cotangent makes of a tangent."""
    return float(sum(np.sum(np.real(np.asarray(c) * np.asarray(t))) for c, t in zip(cts, tangents, strict=True)))


def run(function: Function, arguments: Sequence[Any]) -> Arrays:
    return [np.asarray(x) for x in interpret(function, arguments)]


def same(a: Arrays, b: Arrays) -> bool:
    return len(a) == len(b) and all(x.shape == y.shape and np.allclose(x, y, 1e-5, 1e-5) for x, y in zip(a, b))


def differences(function: Function, arguments: Sequence[Any], wrt: Sequence[int], tangents: Arrays, h: float) -> Arrays:
    """The derivative of the floating-point outputs along ``tangents``, from values at four points; nothing when shapes
    change between these."""

    def at(step: float) -> Arrays:
        moved = list(arguments)
        for k, t in zip(wrt, tangents):
            moved[k] = np.asarray(moved[k] + step * t, t.dtype)
        results = run(function, moved)
        return [results[k] for k in floats(function.outputs)]

    a, b, c, d = points = [at(s * h) for s in (1, -1, 2, -2)]
    if any([x.shape for x in p] != [x.shape for x in a] for p in points):
        return []
    return [(8 * (p - m) - (pp - mm)) / (12 * h) for p, m, pp, mm in zip(a, b, c, d)]


def close(actual: Sequence[Any], expected: Sequence[Any], tolerance: float, what: str) -> None:
    for k, (x, y) in enumerate(zip(actual, expected, strict=True)):
        x, y = np.asarray(x), np.asarray(y)
        scale = max(1.0, float(np.max(np.abs(y), initial=0.0)))
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance * scale, err_msg=f"{what}, number {k}")


def check(
    function: Function,
    *arguments: Any,
    wrt: Sequence[int] | None = None,
    order: int = 2,
    seed: int = 0,
    h: float = 1e-3,
    tolerance: float = 1e-7,
    numerical: bool | str = True,
    agreement: float = 1e-9,
    path: str = "",
) -> None:
    """Forward mode agrees with differences, reverse mode with forward mode, also for derivatives up to ``order``.

    With ``numerical="where smooth"``, differences count only where different steps agree: a small step may cross a
    place where the program decides otherwise.
    """
    rng = np.random.default_rng(seed)
    if wrt is None:
        wrt = floats(function.params)
    outputs = floats(function.outputs)
    arguments = tuple(np.asarray(a, p.dtype) for a, p in zip(arguments, function.params, strict=True))
    tangents = [random_like(rng, arguments[k]) for k in wrt]
    primal = run(function, arguments)

    forward = jvp(function, wrt)
    verify(forward)
    both = run(forward, [*arguments, *tangents])
    close(both[: len(primal)], primal, 1e-15, f"{path}: values of jvp")
    moved = both[len(primal) :]
    if numerical:
        expected = differences(function, arguments, wrt, tangents, h)
        nearer = differences(function, arguments, wrt, tangents, h / 16) if numerical == "where smooth" else expected
        if numerical != "where smooth" or same(nearer, expected):
            close(moved, expected, tolerance, f"{path}: jvp against differences")

    cts = [random_like(rng, primal[k]) for k in outputs]
    lengths = vjp_lengths(function, outputs, primal)
    reverse = vjp(function, wrt, outputs)
    verify(reverse)
    both = run(reverse, [*arguments, *interleave(lengths, cts)])
    close(both[: len(primal)], primal, 1e-15, f"{path}: values of vjp")
    back = both[len(primal) :]
    assert all(x.dtype == arguments[k].dtype and x.shape == arguments[k].shape for k, x in zip(wrt, back))
    size = sum(float(np.sum(np.abs(c * m))) for c, m in zip(cts, moved)) + 1.0
    np.testing.assert_allclose(
        pairing(back, tangents),
        pairing(cts, moved),
        rtol=0,
        atol=agreement * size,
        err_msg=f"{path}: reverse and forward",
    )

    parts = split(function, wrt, outputs)
    verify(parts.forward)
    verify(parts.backward)
    out = run(parts.forward, arguments)
    close(out[: len(primal)], primal, 1e-15, f"{path}: values of split")
    close(run(parts.backward, [*out[len(primal) :], *cts]), back, 1e-12, f"{path}: split and whole")

    linear = linearize(function, wrt)
    verify(linear.backward)
    out = run(linear.forward, arguments)
    again = run(linear.backward, [*out[len(primal) :], *tangents])
    close(again, moved, max(1e-11, agreement), f"{path}: linearize and jvp")

    if order > 1:
        options: dict[str, Any] = dict(
            order=order - 1, seed=seed + 1, h=h, tolerance=tolerance * 100, numerical=numerical, agreement=agreement
        )
        check(forward, *arguments, *tangents, path=path + "jvp ", **options)
        check(reverse, *arguments, *interleave(lengths, cts), path=path + "vjp ", **options)


def vjp_lengths(function: Function, outputs: Sequence[int], primal: Arrays) -> list[list[int]]:
    """Per differentiated output, the lengths that precede its cotangent as parameters."""
    found = []
    for k in outputs:
        v = function.outputs[k]
        dims = {d: n for d, n in zip(v.shape, primal[k].shape) if not isinstance(d, int) and d not in function.params}
        found.append(list(dims.values()))
    return found


def interleave(lengths: Sequence[Sequence[int]], cts: Arrays) -> list[Any]:
    return [x for ns, ct in zip(lengths, cts, strict=True) for x in (*ns, ct)]
