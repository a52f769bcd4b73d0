"""Programs for many lanes against a loop that runs the program lane by lane and stacks the results."""

from __future__ import annotations

import contextlib
import io
import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tracejit.ir.core import Function
from tracejit.ir.verify import verify
from tracejit.ops.interpret import interpret
from tracejit.transform.batch import batch

FAILURES = (ValueError, ArithmeticError, LookupError, TypeError, RuntimeError, NameError)
Axes = list[int | None]
Run = Callable[[Function, Sequence[Any]], Any]


def stacked(function: Function, lanes: Sequence[Sequence[Any]], axes_out: Sequence[int | None], run: Run) -> Any:
    """What ``function`` gives for each of several lists of arguments, stacked, and what it prints; or how and in which
    lane it fails."""
    shown = io.StringIO()
    outputs: list[Any] = []
    with contextlib.redirect_stdout(shown):
        for lane, arguments in enumerate(lanes):
            try:
                outputs.append(run(function, arguments))
            except FAILURES as error:
                return type(error), str(error), lane, shown.getvalue()
    try:
        return [np.stack(c, a) for c, a in zip(zip(*outputs), axes_out) if a is not None], shown.getvalue()
    except ValueError as error:
        return type(error), str(error), 0, shown.getvalue()  # the results are ragged


def split(arguments: Sequence[Any], axes: Sequence[int | None], size: int) -> list[list[Any]]:
    """The arguments of each lane."""

    def part(a: Any, axis: int | None, lane: int) -> Any:
        return a if axis is None else np.take(a, lane, axis)

    return [[part(a, axis, lane) for a, axis in zip(arguments, axes)] for lane in range(size)]


def together(lanes: Sequence[Sequence[Any]], axes: Sequence[int | None]) -> list[Any]:
    """Arguments for all lanes; those shared are those of the first."""
    return [c[0] if axis is None else np.stack([np.asarray(x) for x in c], axis) for c, axis in zip(zip(*lanes), axes)]


def check(
    function: Function,
    lanes: Sequence[Sequence[Any]],
    axes: Sequence[int | None],
    axes_out: Sequence[int | None] | None = None,
    *,
    tolerance: float = 0.0,
    static: bool = False,
    run: Run = interpret,
    strict: bool = True,
) -> Function:
    """Compare; returns the program for all lanes.

    Args:
        function: The program of one lane.
        lanes: Its arguments in each.
        axes: Where the lanes lie in the arguments.
        axes_out: Where they are to lie in the outputs.
        tolerance: How far numbers may be apart.
        static: The number of lanes is known to the program.
        run: What runs programs.
        strict: Where lanes fail in several ways, the way in which the first of them fails is expected.
    """
    n = len(lanes)
    arguments = together(lanes, axes)
    whole = batch(function, axes, axes_out, n if static else None)
    verify(whole)
    axes_out = _placed(function, axes, axes_out)
    expected = stacked(function, split(arguments, axes, n), axes_out, run)
    shown = io.StringIO()
    try:
        with contextlib.redirect_stdout(shown):
            outputs = run(whole, arguments if static else [n, *arguments])
    except FAILURES as error:
        assert len(expected) == 4, f"fails: {error!r}, {getattr(error, '__notes__', ())}"
        if strict:
            note = f"in lane {expected[2]} of the vmap of {function.name}"
            assert (type(error), str(error), error.__notes__[-1]) == (*expected[:2], note)
        return whole
    assert len(expected) == 2, f"does not fail, expected {expected}"
    assert shown.getvalue() == expected[1]
    got = [x for x, axis in zip(outputs, axes_out) if axis is not None]
    compare(got, expected[0], tolerance)
    return whole


def _placed(function: Function, axes: Sequence[int | None], axes_out: Sequence[int | None] | None) -> list[int | None]:
    placed = list(axes_out) if axes_out is not None else [0] * len(function.outputs)
    for param, output in function.meta.get("mutated", {}).items():
        placed[output] = axes[param]
    return placed


def compare(got: Sequence[Any], expected: Sequence[Any], tolerance: float) -> None:
    for k, (x, y) in enumerate(zip(got, expected, strict=True)):
        assert x.dtype == y.dtype and x.shape == y.shape, f"output {k}: {x.dtype}{x.shape}, not {y.dtype}{y.shape}"
        if tolerance:
            np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance, err_msg=f"output {k}")
        else:
            np.testing.assert_array_equal(x, y, err_msg=f"output {k}")


def placements(ranks: Sequence[int], fixed: Sequence[int] = (), limit: int = 8, seed: int = 0) -> Iterator[Axes]:
    """Ways for lanes to lie in parameters of these ranks; those at ``fixed`` positions are shared. At most ``limit``,
    each parameter being shared in some and not in others."""
    choices = [[None] if k in fixed else [None, *range(r + 1)] for k, r in enumerate(ranks)]
    found = [list(c) for c in itertools.product(*choices) if any(a is not None for a in c)]
    r = random.Random(seed)
    if len(found) > limit:
        first = [[0 if k not in fixed else None for k in range(len(ranks))]]
        found = first + r.sample(found, limit - 1)
    yield from found
