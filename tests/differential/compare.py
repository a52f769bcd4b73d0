"""Lockstep comparison of two object graphs: what plain Python produced and what the compiled program produced.

Compared are values, kinds (Python scalar, NumPy scalar, array), dtypes, shapes, the structure of containers, which
objects are the *same* object, and which arrays share memory (and at which offset and strides).
"""

from __future__ import annotations

import itertools
import math
import types
from dataclasses import dataclass, field
from typing import Any

import numpy as np

DEFAULT_RTOL = {"e": 2e-3, "f": 1e-5, "d": 1e-12, "g": 1e-12, "F": 1e-5, "D": 1e-12, "G": 1e-12}
ATOMS = (type(None), bool, int, str, bytes, type(Ellipsis), slice, range, np.dtype)
FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.ModuleType, types.MethodType, type, np.ufunc)


@dataclass
class Policy:
    """How strict a comparison is. The default is as strict as it gets, except for the last digits of floats."""

    rtol: float | None = None  # None: DEFAULT_RTOL of the dtype; 0: bit for bit
    atol: float = 0.0
    signed_zero: bool = True  # -0.0 and 0.0 are different answers
    kind: str = "exact"  # "widened": where paths meet, an int may come back as a float, a Python scalar as a NumPy one
    identity: bool = True
    memory: bool = True
    layout: bool = False  # strides of results that own their memory


@dataclass
class Comparison:
    """Walks two graphs together and collects readable differences."""

    policy: Policy
    differences: list[str] = field(default_factory=list)
    _twin: dict[int, tuple[int, str]] = field(default_factory=dict)  # id(want) -> id(got), path
    _twin_back: dict[int, tuple[int, str]] = field(default_factory=dict)
    _arrays: list[tuple[str, np.ndarray, np.ndarray]] = field(default_factory=list)
    _alive: list[Any] = field(default_factory=list)  # ids stay unique while we hold the objects

    def report(self, path: str, text: str) -> None:
        self.differences.append(f"{path}: {text}")

    def finish(self) -> list[str]:
        """Compare memory sharing among all arrays met so far and return all differences."""
        if self.policy.memory:
            for (path_a, want_a, got_a), (path_b, want_b, got_b) in itertools.combinations(self._arrays, 2):
                self._memory(path_a, want_a, got_a, path_b, want_b, got_b)
        return self.differences

    def walk(self, path: str, want: Any, got: Any) -> None:
        """Compare `got` with `want`; `path` names the place in reports."""
        if isinstance(want, np.generic) or isinstance(want, (bool, int, float, complex)):
            self._scalar(path, want, got)
            return
        if type(want) is not type(got):
            self.report(path, f"plain Python gives {describe(want)}, compiled gives {describe(got)}")
            return
        if isinstance(want, FUNCTIONS):
            if want is not got and want != got:
                self.report(path, f"plain Python gives {want!r}, compiled gives {got!r}")
            return
        if isinstance(want, ATOMS):
            if want != got:
                self.report(path, f"plain Python gives {want!r}, compiled gives {got!r}")
            return
        if isinstance(want, tuple):
            self._sequence(path, want, got)
            return
        if not self._pair(path, want, got):
            return  # seen before (or its identity already differs)
        if isinstance(want, np.ndarray):
            self._array(path, want, got)
        elif isinstance(want, list):
            self._sequence(path, want, got)
        elif isinstance(want, dict):
            self._mapping(path, want, got)
        elif isinstance(want, (set, frozenset, bytearray)):
            if want != got:
                self.report(path, f"plain Python gives {want!r}, compiled gives {got!r}")
        elif isinstance(want, BaseException):
            self._sequence(f"{path}.args", want.args, got.args)
        elif hasattr(want, "__dict__"):
            self._mapping(path, vars(want), vars(got), attribute=True)
        elif want != got:
            self.report(path, f"plain Python gives {want!r}, compiled gives {got!r}")

    def _pair(self, path: str, want: Any, got: Any) -> bool:
        """Pair two mutable objects; False when this pair was met before. Pairing must be one to one."""
        self._alive.append((want, got))
        twin, back = self._twin.get(id(want)), self._twin_back.get(id(got))
        if twin is not None and twin[0] == id(got):
            return False
        if self.policy.identity and twin is not None:
            self.report(path, f"plain Python gives the same object as {twin[1]}, compiled gives another object")
        if self.policy.identity and back is not None:
            self.report(path, f"compiled gives the same object as {back[1]}, plain Python gives another object")
        self._twin.setdefault(id(want), (id(got), path))
        self._twin_back.setdefault(id(got), (id(want), path))
        return True

    def _sequence(self, path: str, want: Any, got: Any) -> None:
        if len(want) != len(got):
            self.report(path, f"plain Python gives length {len(want)}, compiled gives length {len(got)}")
            return
        for index, (a, b) in enumerate(zip(want, got, strict=True)):
            self.walk(f"{path}[{index}]", a, b)

    def _mapping(self, path: str, want: dict[Any, Any], got: dict[Any, Any], attribute: bool = False) -> None:
        if list(want) != list(got):
            self.report(path, f"plain Python gives keys {list(want)}, compiled gives keys {list(got)}")
        for key in want:
            if key in got:
                self.walk(f"{path}.{key}" if attribute else f"{path}[{key!r}]", want[key], got[key])

    def _scalar(self, path: str, want: Any, got: Any) -> None:
        if type(want) is not type(got):
            if not (self.policy.kind == "widened" and widens(want, got)):
                self.report(path, f"plain Python gives {describe(want)}, compiled gives {describe(got)}")
                return
        elif isinstance(want, np.generic) and want.dtype != got.dtype:
            self.report(path, f"plain Python gives {describe(want)}, compiled gives {describe(got)}")
            return
        if isinstance(want, (bool, int)) and not isinstance(want, np.generic) and isinstance(got, (bool, int)):
            same = want == got  # exact at any size
        else:
            same = bool(self._close(np.asarray(want), np.asarray(got)).all())
        if not same:
            self.report(path, f"plain Python gives {want!r}, compiled gives {got!r}")

    def _array(self, path: str, want: np.ndarray, got: np.ndarray) -> None:
        for known_path, known_want, known_got in self._arrays:
            if known_want is want and known_got is got:
                self.report(path, f"internal error of the harness: pair of {known_path} met twice")
        self._arrays.append((path, want, got))
        if want.dtype != got.dtype or want.shape != got.shape:
            self.report(path, f"plain Python gives {describe(want)}, compiled gives {describe(got)}")
            return
        if want.flags.writeable != got.flags.writeable:
            self.report(path, f"writeable is {want.flags.writeable} in plain Python, {got.flags.writeable} compiled")
        if self.policy.layout and _strides(want) != _strides(got):
            self.report(path, f"strides are {want.strides} in plain Python, {got.strides} compiled")
        if want.dtype == object:
            for index in np.ndindex(want.shape):
                self.walk(f"{path}[{index}]", want[index], got[index])
            return
        same = self._close(want, got)
        if not same.all():
            wrong = np.argwhere(~same)
            shown = ", ".join(
                f"[{','.join(map(str, i))}] {want[tuple(i)]!r} became {got[tuple(i)]!r}" for i in wrong[:4]
            )
            self.report(path, f"{len(wrong)} of {want.size} elements differ ({want.dtype} {want.shape}): {shown}")

    def _close(self, want: np.ndarray, got: np.ndarray) -> np.ndarray:
        if want.dtype.kind not in "fc" or got.dtype.kind not in "fc":
            return np.asarray(want == got)
        if want.dtype.kind == "c":
            return self._close(want.real, got.real) & self._close(want.imag, got.imag)
        rtol = DEFAULT_RTOL[want.dtype.char] if self.policy.rtol is None else self.policy.rtol
        with np.errstate(all="ignore"):
            same = (want == got) | (np.isnan(want) & np.isnan(got))
            if rtol or self.policy.atol:
                finite = np.isfinite(want) & np.isfinite(got)
                near = np.abs(got.astype(float) - want.astype(float)) <= self.policy.atol + rtol * np.abs(want)
                same = same | (finite & near)
            if self.policy.signed_zero:
                same = same & ((want != 0) | (got != 0) | (np.signbit(want) == np.signbit(got)))
        return np.asarray(same)

    def _memory(
        self, path_a: str, want_a: np.ndarray, got_a: np.ndarray, path_b: str, want_b: np.ndarray, got_b: np.ndarray
    ) -> None:
        want, got = overlaps(want_a, want_b), overlaps(got_a, got_b)
        if want != got:
            shares, not_ = ("plain Python", "compiled") if want else ("compiled", "plain Python")
            self.report(path_b, f"shares memory with {path_a} in {shares}, but not in {not_}")
        elif want and want_b.shape == got_b.shape and want_a.shape == got_a.shape:
            place_want, place_got = places(want_a, want_b), places(got_a, got_b)
            if place_want != place_got:
                self.report(
                    path_b,
                    f"its elements are those of {path_a} numbered {_few(place_want)} in plain Python, "
                    f"{_few(place_got)} compiled",
                )


def places(a: np.ndarray, b: np.ndarray) -> list[int | None]:
    """For each element of `b` the number of the element of `a` that lies at the same address, whatever the layouts."""
    numbers = {address: number for number, address in enumerate(_addresses(a))}
    return [numbers.get(address) for address in _addresses(b)]


def _addresses(a: np.ndarray) -> list[int]:
    offsets = sum(
        (np.ix_(*(np.arange(n) * s for n, s in zip(a.shape, a.strides, strict=True)))), np.zeros(a.shape, int)
    )
    return [int(a.__array_interface__["data"][0]) + int(k) for k in np.ravel(offsets)]


def _few(numbers: list[int | None]) -> str:
    text = ", ".join(map(str, numbers[:12]))
    return f"[{text}, ...]" if len(numbers) > 12 else f"[{text}]"


def overlaps(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays share memory; exact unless the question is too hard for NumPy."""
    try:
        return np.shares_memory(a, b, max_work=10_000)
    except np.exceptions.TooHardError:
        return np.may_share_memory(a, b)


def widens(want: Any, got: Any) -> bool:
    """Whether `got` is a wider kind of the same number: 1 for 1.0, 2.5 for np.float64(2.5)."""
    if not isinstance(got, (bool, int, float, complex, np.generic)):
        return False
    if isinstance(want, np.generic) and not isinstance(got, np.generic):
        return False
    order = "biufc"
    return order.index(np.asarray(want).dtype.kind) <= order.index(np.asarray(got).dtype.kind)


def describe(value: Any) -> str:
    """One line that tells kind, dtype, shape and value apart."""
    if isinstance(value, np.ndarray):
        text = np.array2string(value, threshold=12, edgeitems=4).replace("\n", "")
        return f"{type(value).__name__} {value.dtype} {value.shape} {text}"
    if isinstance(value, np.generic):
        return f"NumPy scalar {value.dtype} {value!r}"
    if isinstance(value, float) and math.isnan(value):
        return "Python float nan"
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) < 200 else text[:200] + '...'}"


def _strides(a: np.ndarray) -> tuple[int, ...]:
    return tuple(s for s, n in zip(a.strides, a.shape, strict=True) if n > 1)
