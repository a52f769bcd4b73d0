"""What all traced values have in common, and the ways between traced values, IR values and plain numbers.

A tracer stands for a Python object that exists when the compiled program runs: a Python scalar, a NumPy scalar
(:class:`~tracejit.trace.scalars.ScalarTracer`) or an array (:class:`~tracejit.trace.boxes.ArrayTracer`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from tracejit.errors import CaptureError, NeedsConcrete, UnsupportedError
from tracejit.ir.core import Value
from tracejit.ir.interface import ScalarKind
from tracejit.ir.types import BOOL, COMPLEX128, DTYPE_NAMES, FLOAT64, INT64, Dim
from tracejit.record import record
from tracejit.trace.context import Context, current, is_tracing, leaked

Alternative: TypeAlias = tuple[ScalarKind, "np.dtype[Any]"]
"""What a scalar may be to the user: ``("python", int64)`` is an ``int``, ``("numpy", int64)`` an ``np.int64``."""

PY_BOOL: Alternative = ("python", BOOL)
PY_INT: Alternative = ("python", INT64)
PY_FLOAT: Alternative = ("python", FLOAT64)
PY_COMPLEX: Alternative = ("python", COMPLEX128)
PYTHON_TYPES: dict[np.dtype[Any], type] = {BOOL: bool, INT64: int, FLOAT64: float, COMPLEX128: complex}
PYTHON_ALTERNATIVES: dict[type, Alternative] = {bool: PY_BOOL, int: PY_INT, float: PY_FLOAT, complex: PY_COMPLEX}


@record(frozen=True, eq=False)
class Origin:
    """Where a traced value comes from: for messages, and for those who handle :class:`~tracejit.errors.NeedsConcrete`.

    Args:
        kind: ``"argument"`` and ``"captured"``: ``source`` is its :class:`~tracejit.ir.interface.Source`;
            ``"induction"``: ``source`` is the loop driver; ``"dimension"``: a run-time dimension of an array;
            ``"computed"``: none of these.
        text: As the user would say it: ``"argument 'n'"``, ``"the loop variable of line 12"``.
    """

    kind: Literal["argument", "captured", "induction", "dimension", "computed"]
    source: Any = None
    text: str = ""


COMPUTED = Origin("computed", None, "a computed value")
DIMENSION = Origin("dimension", None, "an array's dimension")


OUTSIDE = "the call outside of the compiled function, and what it gives as an argument"
"""What to do about what is not supported."""


HASH = "its hash (a dict key or set element)"
TRUTH = "its truth (a Python bool)"
INTEGER = "its value (a Python int)"
FLOAT = "its value (a Python float)"
"""What Python may need of a value."""


class Tracer:
    """Base of everything that stands for a run-time value."""

    __slots__ = ("__weakref__", "context", "origin")

    context: Context
    origin: Origin
    _structure: tuple[Any, ...] | None = None
    """What it has in common with another one that joins it part by part; None when it has no parts."""
    _children: Sequence[Any] = ()
    """Its parts."""

    @classmethod
    def _rebuild(cls, structure: tuple[Any, ...], children: Sequence[Any]) -> Tracer:
        """One of these parts."""
        raise NotImplementedError

    def _needs(self, what: str) -> CaptureError:
        return NeedsConcrete(self, what) if is_tracing() else leaked()

    def __hash__(self) -> int:
        raise self._needs(HASH)

    def __bool__(self) -> bool:
        raise self._needs(TRUTH)

    def __int__(self) -> int:
        raise self._needs(INTEGER)

    def __index__(self) -> int:
        raise self._needs(INTEGER)

    def __float__(self) -> float:
        raise self._needs(FLOAT)

    def __complex__(self) -> complex:
        raise self._needs("its value (a Python complex)")

    def _refuse_text(self, *args: Any) -> Any:
        from tracejit.trace.either import describe

        raise UnsupportedError(
            f"the text of {describe(self)} is known only at run time",
            hint="an f-string, str(x), format(x, ...), '...'.format(x), '...' % x or print(x)",
        )

    def __repr__(self) -> str:
        return str(self._refuse_text()) if is_tracing() else self._shown()

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def _shown(self) -> str:
        """What a debugger shows."""
        return f"<traced {type(self).__name__}>"

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise CaptureError(
            "a value that is known only at run time cannot be pickled, or copied by the copy module",
            hint="x.copy() of an array, or a new object made of its parts",
        )


def is_traced(x: object) -> bool:
    """Whether ``x`` stands for a run-time value."""
    return isinstance(x, Tracer)


# --- abstracts: what joins must agree on ----------------------------------------------------------


@record(frozen=True)
class ScalarAbstract:
    """A scalar that may be any of ``alternatives`` and is held as ``dtype``, the widest of theirs."""

    alternatives: tuple[Alternative, ...]
    dtype: np.dtype[Any]

    @property
    def is_mixed(self) -> bool:
        return len(self.alternatives) > 1


@record(frozen=True)
class ArrayAbstract:
    """An array of ``dtype`` whose dimensions are ``shape``."""

    dtype: np.dtype[Any]
    shape: tuple[Dim, ...]

    @property
    def rank(self) -> int:
        return len(self.shape)


Abstract: TypeAlias = ScalarAbstract | ArrayAbstract


def abstract(x: object) -> Abstract | None:
    """What kind of number or array ``x`` is, traced or not; None when it is neither."""
    from tracejit.trace import boxes, scalars

    if isinstance(x, scalars.ScalarTracer):
        return ScalarAbstract(x.alternatives, x.value.dtype)
    if isinstance(x, boxes.ArrayTracer):
        return ArrayAbstract(x.dtype, x.shape_dims)
    alternative = alternative_of(x)
    if alternative is not None:
        return ScalarAbstract((alternative,), alternative[1])
    if type(x) is np.ndarray and x.dtype in DTYPE_NAMES:
        return ArrayAbstract(x.dtype, x.shape)
    return None


def alternative_of(x: object) -> Alternative | None:
    """Kind and dtype of a concrete scalar; None for anything else (and for subclasses of Python's numbers)."""
    known = PYTHON_ALTERNATIVES.get(type(x))
    if known is not None:
        return known
    if isinstance(x, np.generic) and x.dtype in DTYPE_NAMES and x.dtype.isnative:
        return ("numpy", x.dtype)
    return None


def lift(x: Any) -> Value:
    """A traced or concrete number or array as an IR value, in its own dtype.

    Raises:
        OverflowError: A Python int outside 64 bits.
        TypeError: Anything that is no number.
    """
    from tracejit.trace import boxes, scalars

    if isinstance(x, scalars.ScalarTracer):
        return x.value
    if isinstance(x, boxes.ArrayTracer):
        return x.read()
    context = current()
    alternative = alternative_of(x)
    if alternative is not None:
        return context.builder.const(x, alternative[1])
    if isinstance(x, np.ndarray):
        return boxes.box_of(x).read()
    raise TypeError(f"a {type(x).__name__} cannot be used as a number in compiled code")


def from_value(value: Value, of: Abstract, selector: Value | None = None) -> Tracer:
    """The tracer for ``value``, which is what ``of`` says (``selector``: which alternative, when there are several)."""
    from tracejit.trace import boxes, scalars

    if isinstance(of, ScalarAbstract):
        return scalars.ScalarTracer(value, of.alternatives, selector)
    return boxes.ArrayTracer(value)
