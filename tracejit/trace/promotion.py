"""Result types: NumPy itself is asked, and its answers are kept.

Operands are described by a *spec*: a dtype, or ``int``, ``float``, ``complex`` for a Python scalar, which is weak
(NEP 50).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from tracejit.errors import UnsupportedError
from tracejit.ir.types import DTYPE_NAMES, DTYPES, INT64
from tracejit.trace.tracer import PYTHON_TYPES, Alternative

DType: TypeAlias = "np.dtype[Any]"
Spec: TypeAlias = "DType | type"

_CANONICAL: dict[DType, DType] = {t: t for t in DTYPES.values()}
_DEFAULT: dict[type, DType] = {t: d for d, t in PYTHON_TYPES.items()}
_resolved: dict[tuple[Any, ...], tuple[DType, ...]] = {}
_results: dict[tuple[Spec, ...], DType] = {}
_bounds: dict[DType, tuple[int, int]] = {
    d: (np.iinfo(d).min, np.iinfo(d).max) for d in DTYPES.values() if d.kind in "iu"
}


def canonical(dtype: Any) -> DType:
    """``dtype`` (or what ``np.dtype`` makes of it) as one of the dtypes a traced value can have.

    Raises:
        UnsupportedError: Compiled code has no such numbers (``longdouble``, ``object``, strings, dates, ...).
    """
    dtype = np.dtype(dtype)
    known = _CANONICAL.get(dtype)
    if known is None:
        native = dtype.newbyteorder("=")
        if native not in DTYPE_NAMES:
            raise UnsupportedError(
                f"dtype {dtype} is not supported in compiled code",
                hint="bool, the integers, float16, float32, float64, complex64 or complex128",
            )
        known = _CANONICAL[native]
    return known


def spec_of(alternative: Alternative) -> Spec:
    """What NumPy makes of a scalar: a Python ``bool`` is a ``np.bool_``, other Python numbers are weak."""
    kind, dtype = alternative
    if kind == "python" and dtype.kind != "b":
        return PYTHON_TYPES[dtype]
    return dtype


def resolve(ufunc: np.ufunc, specs: Sequence[Spec], signature: DType | None = None) -> tuple[DType, ...]:
    """The dtypes of inputs and outputs of the loop that ``ufunc`` runs for ``specs`` (``signature``: ``dtype=``).

    Raises:
        TypeError: NumPy's own, when there is no such loop.
    """
    key = (ufunc, signature, *specs)
    known = _resolved.get(key)
    if known is None:
        if all(isinstance(s, type) for s in specs):
            specs = [_DEFAULT[s] if isinstance(s, type) else s for s in specs]
        outputs = (None,) * ufunc.nout
        if signature is None:
            dtypes = ufunc.resolve_dtypes((*specs, *outputs))
        else:
            wanted = (None,) * ufunc.nin + (signature,) * ufunc.nout
            dtypes = ufunc.resolve_dtypes((*specs, *outputs), signature=wanted)
        known = _resolved[key] = tuple(map(canonical, dtypes))
    return known


def result_type(*specs: Spec) -> DType:
    """``np.result_type``."""
    known = _results.get(specs)
    if known is None:
        samples = [s(0) if isinstance(s, type) else s for s in specs]
        known = _results[specs] = canonical(np.result_type(*samples))
    return known


def int_bounds(dtype: DType) -> tuple[int, int]:
    """The least and the greatest number of an integer dtype."""
    return _bounds[dtype]


def check_python_int(value: int, dtype: DType) -> None:
    """Raise what NumPy raises when the Python int ``value`` meets an integer ``dtype`` that cannot hold it."""
    if dtype.kind in "iu":
        low, high = _bounds[dtype]
        if not low <= value <= high:
            raise OverflowError(out_of_bounds_message(dtype).format(value))


def out_of_bounds_message(dtype: DType) -> str:
    """The message for payload ``{0}``, a Python int that ``dtype`` cannot hold."""
    if dtype == INT64:
        return "Python int too large to convert to C long"
    return f"Python integer {{0}} out of bounds for {dtype}"


def check_output_cast(
    ufunc: np.ufunc, source: DType, target: DType, casting: Any = "same_kind", index: int = 0
) -> None:
    """Raise NumPy's casting error unless a result of dtype ``source`` may be written into an array of ``target``."""
    if source != target and not np.can_cast(source, target, casting):
        name = f"output from {source!r}" if ufunc.nout == 1 else f"output {index} from {source!r}"
        raise _casting_error(ufunc, casting, source, target, index, name)


def _casting_error(ufunc: np.ufunc, casting: str, source: DType, target: DType, index: int, name: str) -> TypeError:
    # NumPy's exception class is private; a cast of nothing makes NumPy raise one, which says its own text
    operands = [np.empty(0, source)] * ufunc.nin
    try:
        ufunc(*operands, out=tuple(np.empty(0, target if k == index else source) for k in range(ufunc.nout)),
              casting=casting)  # fmt: skip
    except TypeError as error:
        wanted = f"from {source!r} to {target!r}"
        if wanted in str(error):
            return error.with_traceback(None)
    return TypeError(f"Cannot cast ufunc {ufunc.__name__!r} {name} to {target!r} with casting rule {casting!r}")
