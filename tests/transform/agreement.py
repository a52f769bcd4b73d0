"""One call of a Python function, differentiated all ways at the level of programs: reverse mode agrees with forward
mode, forward mode with the interpreter on dual numbers, and with differences where no predicate flips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tests.differential.harness import Call
from tests.trace.call import Traced
from tests.transform.checking import close, differences, floats, interleave, pairing, random_like, run, vjp_lengths
from tests.transform.dual import decisions, dual_run
from tracejit.errors import TracejitError
from tracejit.ir.core import Function
from tracejit.ir.verify import verify
from tracejit.transform.activity import Activity
from tracejit.transform.jvp import jvp
from tracejit.transform.structure import is_float
from tracejit.transform.vjp import vjp


def finite(values: Sequence[Any]) -> bool:
    """Whether floats are finite, and so are their squares."""
    return all(bool(np.all(np.abs(v).astype(float) < 1e150)) for v in values if np.asarray(v).dtype.kind in "fc")


def depends(function: Function) -> tuple[list[int], list[int]]:
    """The float parameters, and the float outputs that depend on one of them."""
    wrt = floats(function.params)
    varied = Activity(function).varied([function.params[k] for k in wrt])
    return wrt, [k for k in floats(function.outputs) if function.outputs[k] in varied]


def precision(function: Function) -> float:
    """The relative error that the least precise dtype in the program allows for."""
    sizes = {np.finfo(v.dtype).bits for op in function.walk() for v in (*op.operands, *op.results) if is_float(v)}
    sizes |= {np.finfo(p.dtype).bits for p in function.params if is_float(p)}
    return {16: 1e-1, 32: 1e-3, 64: 1e-9}[min(sizes)]


def size_of(x: np.ndarray) -> float:
    return float(np.max(np.abs(x), initial=0.0)) or 1.0


def compare(function: Function, arguments: Sequence[Any], name: str, seed: int = 0) -> None:
    """Derivatives of the first order, all ways."""
    rng = np.random.default_rng(seed)
    wrt, outputs = depends(function)
    # moved by a part of what it is, no parameter (a tolerance, say) changes its sign
    tangents = [np.asarray(random_like(rng, x) * size_of(x), x.dtype) for x in (arguments[k] for k in wrt)]
    values, every = dual_run(function, arguments, wrt, tangents)
    place = floats(function.outputs)
    moved = [every[place.index(k)] for k in outputs]
    exact = precision(function)

    forward = jvp(function, wrt)
    verify(forward)
    for k, got, want in zip(place, run(forward, [*arguments, *tangents])[len(values) :], every):
        scale = max(1.0, float(np.max(np.abs(want), initial=0.0, where=np.isfinite(want))))
        np.testing.assert_allclose(got, want, exact, exact * scale, err_msg=f"{name}: jvp and dual numbers, output {k}")

    reverse = vjp(function, wrt, outputs)
    verify(reverse)
    cts = [random_like(rng, values[k]) for k in outputs]
    seeds = interleave(vjp_lengths(function, outputs, values), cts)
    back = run(reverse, [*arguments, *seeds])[len(values) :]
    if not finite([*values, *moved, *back]):
        return
    size = sum(float(np.sum(np.abs(c * m))) for c, m in zip([*cts, *back], [*moved, *tangents])) + 1.0
    np.testing.assert_allclose(
        pairing(back, tangents), pairing(cts, moved), rtol=0, atol=exact * size, err_msg=f"{name}: reverse and forward"
    )

    step = 1e-5
    around = [moved_by(function, arguments, wrt, tangents, s * step) for s in (0, 1, -1, 2, -2)]
    if exact > 1e-8 or len({decisions(function, a) for a in around}) > 1:
        return
    expected = differences(function, arguments, wrt, tangents, step)
    if expected:
        close(every, expected, 1e-5, f"{name}: differences")


def moved_by(
    function: Function, arguments: Sequence[Any], wrt: Sequence[int], tangents: Sequence[Any], step: float
) -> list[Any]:
    moved = list(arguments)
    for k, t in zip(wrt, tangents):
        moved[k] = np.asarray(moved[k] + step * t, t.dtype)
    return moved


def differentiate(function: Callable[..., Any], call: Call, name: str, allow: tuple[type[BaseException], ...]) -> bool:
    """Compare the derivatives of one call; False when it has none."""
    try:
        program, arguments = Traced(function).program(*call.args, **call.kwargs)
        if not depends(program.function)[1] or not finite(arguments):
            return False
        run(program.function, arguments)
    except (TracejitError, *allow):
        return False
    compare(program.function, arguments, name)
    return True
