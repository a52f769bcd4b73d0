"""Memory order of arrays, as far as NumPy's answers depend on it: is a reshape a view of its array or a copy?

A layout is the tuple of strides, counted in elements, as polynomials of dimensions (:data:`~tracejit.trace.dims.Form`).
Strides that nothing is known about are atoms of their own. Three answers are possible: yes, no, and None: it depends on
dimensions or strides that are known at run time only.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import TypeAlias

from tracejit.ir.types import Dim
from tracejit.trace import dims
from tracejit.trace.dims import Form

Layout: TypeAlias = tuple[Form, ...]

_numbers = count()


def unknown(rank: int) -> Layout:
    """Strides of which nothing is known."""
    return tuple(dims.atom(("stride", frozenset({next(_numbers)}))) for _ in range(rank))


def contiguous(shape: Sequence[Dim], order: Sequence[int] | None = None) -> Layout:
    """The strides of a new array whose axes are laid out from slow to fast as ``order`` says (default: C)."""
    axes = range(len(shape)) if order is None else order
    strides: list[Form] = [dims.constant(1)] * len(shape)
    running = dims.constant(1)
    for axis in reversed(axes):
        strides[axis] = running
        # NumPy counts an axis of length 0 as one of length 1
        running = dims.times(running, dims.form(shape[axis] or 1))
    return tuple(strides)


def fortran(shape: Sequence[Dim]) -> Layout:
    return contiguous(shape, range(len(shape) - 1, -1, -1))


def strided(base: Layout, pairs: Sequence[tuple[int, int]], steps: Sequence[Dim], rank: int) -> Layout:
    """The strides of a ``view`` with ``rank`` axes of an array with strides ``base``."""
    result = [dims.constant(0)] * rank
    for (axis, to), step in zip(pairs, steps):
        result[to] = dims.plus(result[to], dims.times(base[axis], dims.form(step)))
    return tuple(result)


def is_c_contiguous(shape: Sequence[Dim], layout: Layout) -> bool | None:
    """Whether elements lie in C order without gaps."""
    if any(d == 0 for d in shape):
        return True
    running = dims.constant(1)
    exact = True
    for d, stride in zip(reversed(shape), reversed(layout)):
        if d == 1:
            continue
        exact = exact and stride == running
        running = dims.times(running, dims.form(d))
    if exact:
        return True
    # the stride of an axis that may have length 1, or of an array that may be empty, settles nothing
    return False if is_static(shape, layout) else None


def is_static(shape: Sequence[Dim], layout: Layout) -> bool:
    """Whether all dimensions and strides are known."""
    return all(isinstance(d, int) for d in shape) and all(dims.number_of(s) is not None for s in layout)


def reshaped(shape: Sequence[Dim], layout: Layout, new: Sequence[Dim]) -> Layout | bool | None:
    """The strides of the view that NumPy's reshape to ``new`` gives, which has the same number of elements.

    False when NumPy copies, None when that cannot be told.
    """
    if any(d == 0 for d in shape) or is_c_contiguous(shape, layout):
        return contiguous(new)
    negative = False if is_static(shape, layout) and is_static(new, ()) else None
    old = [(d, s) for d, s in zip(shape, layout) if d != 1]
    axes = [k for k, d in enumerate(new) if d != 1]
    strides = [dims.constant(1)] * len(new)
    i = j = 0
    while i < len(old) and j < len(axes):
        first, first_axis = i, j
        have, want = old[i][0], new[axes[j]]
        i, j = i + 1, j + 1
        while not dims.equal(have, want):
            known = isinstance(have, int) and isinstance(want, int)
            if (have < want if known else True) and i < len(old):  # type: ignore[operator]
                have, i = dims.mul(have, old[i][0]), i + 1
            elif (have > want if known else True) and j < len(axes):  # type: ignore[operator]
                want, j = dims.mul(want, new[axes[j]]), j + 1
            else:
                return negative
        for (_, outer), (d, inner) in zip(old[first:i], old[first + 1 : i]):
            if outer != dims.times(dims.form(d), inner):
                return negative
        running = old[i - 1][1]
        for k in reversed(axes[first_axis:j]):
            strides[k] = running
            running = dims.times(running, dims.form(new[k]))
    return tuple(strides)


def keep_order(rank: int, operands: Sequence[tuple[Sequence[Dim], Layout]]) -> Sequence[int] | None:
    """The order of axes, slow to fast, of a ufunc's new output; None when it cannot be told.

    This is NumPy's stable insertion sort of the axes by the strides of all operands.
    """
    table: list[list[Form]] = []
    for shape, layout in operands:
        missing = rank - len(shape)
        table.append([dims.constant(0)] * missing + [dims.constant(0) if d == 1 else s for d, s in zip(shape, layout)])
    order = list(range(rank - 1, -1, -1))  # fast to slow
    for position in range(1, rank):
        axis = order[position]
        target = position
        for k in range(position - 1, -1, -1):
            swap = _should_swap([(row[axis], row[order[k]]) for row in table])
            if swap is None:
                return None
            if swap == "yes":
                target = k
            elif swap == "no":
                break
        order.insert(target, order.pop(position))
    return order[::-1]


def _should_swap(strides: Sequence[tuple[Form, Form]]) -> str | None:
    ambiguous, swap = True, False
    for here, there in strides:
        if not here or not there:
            continue
        at_most = _at_most(there, here)
        if at_most is None:
            return None
        if at_most:
            swap = False
        elif ambiguous:
            swap = True
        ambiguous = False
    return "unknown" if ambiguous else "yes" if swap else "no"


def _at_most(a: Form, b: Form) -> bool | None:
    """Whether ``abs(a) <= abs(b)``, for dimensions of at least 1."""
    if a == b:
        return True
    if len(a) != 1 or len(b) != 1:
        return None
    ((m, c),), ((n, d),) = a, b
    powers_a, powers_b = dict(m), dict(n)
    if abs(c) <= abs(d) and all(powers_b.get(x, 0) >= p for x, p in powers_a.items()):
        return True
    if abs(c) >= abs(d) and all(powers_a.get(x, 0) >= p for x, p in powers_b.items()):
        return False
    return None
