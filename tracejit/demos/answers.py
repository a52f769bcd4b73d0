"""Running a program so that everything it did can be seen, and comparing two such runs."""

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Answer(NamedTuple):
    """What a call returned, and its arguments as the call left them."""

    result: Any
    arguments: tuple[Any, ...]


def fresh(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """A deep copy of arguments, because programs write into theirs.

    A read-only array stays read-only, so that the copy has the signature of the original.
    """
    copies = copy.deepcopy(arguments)
    for given, copied in zip(arguments, copies):
        if isinstance(given, np.ndarray):
            copied.flags.writeable = given.flags.writeable
    return copies


def run(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Answer:
    """Call a function on copies of the arguments.

    >>> run(list.append, ([1], 2))
    Answer(result=None, arguments=([1, 2], 2))
    """
    copies = fresh(arguments)
    return Answer(function(*copies), copies)


def difference(actual: Any, expected: Any) -> float:
    """The greatest difference between two answers relative to the size of the expected one; 0.0 if equal.

    Tuples, lists and answers are compared part by part and arrays element by element, NaN equal to NaN; a part counts
    as 1 at least, so that a small number is not asked for more digits than its neighbours. Different structure,
    shape, dtype, or NaN or infinity in one of them only is infinitely different. A Python number is as good as a
    NumPy scalar of the dtype it converts to.

    >>> difference((1, np.array([1.0, 2.0])), (1, np.array([1.0, 2.5])))
    0.2
    >>> difference(np.float32(1), 1.0)
    inf
    """
    if isinstance(expected, (tuple, list)):
        if not isinstance(actual, (tuple, list)) or len(actual) != len(expected):
            return float("inf")
        return max((difference(a, e) for a, e in zip(actual, expected)), default=0.0)
    a, e = np.asarray(actual), np.asarray(expected)
    if a.dtype != e.dtype or a.shape != e.shape:
        return float("inf")
    if e.dtype.kind not in "fc":
        return 0.0 if np.array_equal(a, e) else float("inf")
    same = (a == e) | (np.isnan(a) & np.isnan(e))
    if same.all():
        return 0.0
    with np.errstate(invalid="ignore"):
        gap = np.abs(a - e)[~same]
    if not np.isfinite(gap).all():
        return float("inf")
    finite = np.abs(e)[np.isfinite(e)]
    return float(gap.max() / max(1.0, finite.max()))


def agrees(actual: Any, expected: Any, tolerance: float) -> bool:
    """Whether two answers differ by no more than `tolerance`, as `difference` measures it."""
    return difference(actual, expected) <= tolerance
