"""Every primitive: its type rule is NumPy's, the interpreter computes what NumPy does, its text parses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tracejit.ir.core import Block, Function, Op
from tracejit.ir.text import parse_function, print_function
from tracejit.ir.types import BOOL, DTYPE_NAMES, DTYPES, INDEX, ArrayType
from tracejit.ir.verify import verify
from tracejit.ops import REGISTRY, Primitive, control
from tracejit.ops.builder import Builder
from tracejit.ops.elementwise import complex_dtype
from tracejit.ops.interpret import interpret

NUMPY: dict[str, Any] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.true_divide, "floordiv": np.floor_divide,
    "mod": np.remainder, "pow": np.power, "neg": np.negative, "abs": np.absolute, "sign": np.sign,
    "minimum": np.minimum, "maximum": np.maximum, "fmin": np.fmin, "fmax": np.fmax, "copysign": np.copysign,
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
    "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor, "not": np.invert, "shl": np.left_shift,
    "shr": np.right_shift, "select": np.where, "floor": np.floor, "ceil": np.ceil, "trunc": np.trunc, "rint": np.rint,
    "isnan": np.isnan, "isinf": np.isinf, "isfinite": np.isfinite, "signbit": np.signbit, "sqrt": np.sqrt,
    "exp": np.exp, "expm1": np.expm1, "log": np.log, "log1p": np.log1p, "log2": np.log2, "log10": np.log10,
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan,
    "atan2": np.arctan2, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "cbrt": np.cbrt, "hypot": np.hypot,
    "real": np.real, "imag": np.imag, "conj": np.conjugate,
    "complex": lambda a, b: np.stack([a, b], -1).view(complex_dtype(a.dtype)).reshape(a.shape),
    "cast": np.positive,
    "reduce_sum": lambda x, axes: np.sum(x, axes, x.dtype), "reduce_prod": lambda x, axes: np.prod(x, axes, x.dtype),
    "reduce_min": np.min, "reduce_max": np.max, "reduce_any": np.any, "reduce_all": np.all,
    "argmin": lambda x, axes: np.argmin(x, axes[0]), "argmax": lambda x, axes: np.argmax(x, axes[0]),
    "matmul": np.matmul, "sort": np.sort, "argsort": np.argsort, "solve": np.linalg.solve, "det": np.linalg.det,
    "cholesky": np.linalg.cholesky,
}  # fmt: skip
"""What each op is in NumPy."""

PYTHON = {
    "add_overflows": lambda a, b: a + b,
    "sub_overflows": lambda a, b: a - b,
    "mul_overflows": lambda a, b: a * b,
    "shl_overflows": lambda a, b: a << b if 0 <= b < 200 else a * (b > 0) << 70,
    "pow_overflows": lambda a, b: a**b if 0 <= b < 200 else 0 if b < 0 or a in (0, 1, -1) else 2**70,
}

KINDS_THAT_NUMPY_PROMOTES = {("pow", "b")}
"""NumPy computes these in another dtype; the front end casts."""

ELEMENTWISE = [p for p in REGISTRY.values() if p.family == "elementwise"]
UNTESTED_FAMILIES = {"structural", "control", "effect", "loop", "collective"}  # tested one by one elsewhere


def arity(p: Primitive) -> int:
    if p.name == "select":
        return 3
    if p.name.endswith("_overflows") or p.name in ("complex", "pow", "atan2", "hypot", "copysign"):
        return 2
    return getattr(NUMPY[p.name], "nin", 1)


def sample(dtype: np.dtype, shape: tuple[int, ...], seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.kind in "iu":
        edges = [np.iinfo(dtype).min, np.iinfo(dtype).max, 0, 1, 2, 3, 5]
        return rng.choice(np.array(edges, dtype), shape)
    edges = np.array([0.0, -0.0, 0.5, 1.0, -1.5, 3.0, np.inf, -np.inf, np.nan])
    x = rng.choice(edges, shape).astype(dtype)
    if dtype.kind == "c":
        x.imag = rng.choice(edges, shape)
    return x


def operands(p: Primitive, dtype: np.dtype, shape: tuple[int, ...]) -> list[np.ndarray]:
    out = [sample(dtype, shape, seed) for seed in range(arity(p))]
    if p.name == "select":
        out[0] = sample(BOOL, shape, 9)
    if p.name in ("shl", "shr", "pow", "shl_overflows") and dtype.kind in "iu":
        out[1] = np.abs(out[1] % 9).astype(dtype)
    return out


def compare(function: Function, arguments: list[Any], expected: Any) -> None:
    verify(function)
    text = print_function(function)
    again = parse_function(text, REGISTRY, {"Slot": control.Slot})
    assert print_function(again) == text
    for f in (function, again):
        (got,) = interpret(f, arguments)
        assert got.dtype == expected.dtype and got.shape == expected.shape
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("p", ELEMENTWISE, ids=lambda p: p.name)
def test_elementwise(p: Primitive) -> None:
    kinds = set(p.codegen)
    assert kinds, "no way to compute it"
    for dtype in DTYPES.values():
        if p.name != "select" and dtype.kind not in kinds:
            continue
        if p.name.endswith("_overflows") and dtype != np.int64:
            continue
        if p.name == "complex" and dtype == np.float16:
            continue
        for shape in ((), (7,), (3, 5), (0,)):
            arrays = operands(p, dtype, shape)
            targets = DTYPES.values() if p.name == "cast" else [None]
            for target in targets:
                check_elementwise(p, arrays, dtype, target)


def check_elementwise(p: Primitive, arrays: list[np.ndarray], dtype: np.dtype, target: np.dtype | None) -> None:
    if target is not None and target.kind in "iu" and dtype.kind in "fc":
        arrays = [np.clip(np.nan_to_num(a.real), 0, 9).astype(dtype) for a in arrays]
    with np.errstate(all="ignore"):
        if p.name in PYTHON:
            wide = [PYTHON[p.name](int(a), int(b)) for a, b in zip(arrays[0].flat, arrays[1].flat)]
            expected = np.array([not -(2**63) <= w < 2**63 for w in wide], bool).reshape(arrays[0].shape)
        else:
            if target is None:
                expected = np.asarray(NUMPY[p.name](*arrays))
            else:
                x = arrays[0]
                expected = (x.real if target.kind in "iuf" else x).astype(target)
    function = Function("f", Block([ArrayType(a.dtype, a.shape) for a in arrays]))
    b = Builder(function.body)
    if target is not None:
        result = b.emit(p, function.params, (ArrayType(target, arrays[0].shape),))[0]
    else:
        assert p.infer is not None
        (t,) = p.infer([v.type for v in function.params], {})
        if (p.name, dtype.kind) not in KINDS_THAT_NUMPY_PROMOTES:
            assert t.dtype == expected.dtype, f"{DTYPE_NAMES[dtype]}: {t} is not NumPy's {expected.dtype}"
        expected = expected.astype(t.dtype)
        result = b.apply(p, *function.params)
    b.return_(result)
    compare(function, arrays, expected)


@pytest.mark.parametrize("p", ELEMENTWISE, ids=lambda p: p.name)
def test_commutative_ops_commute(p: Primitive) -> None:
    if not p.commutative:
        return
    assert arity(p) == 2
    for dtype in DTYPES.values():
        if dtype.kind in p.codegen and not (p.name.endswith("_overflows") and dtype != np.int64):
            a, b = operands(p, dtype, (200,))
            t = p.infer([ArrayType(dtype, (200,))] * 2, {})  # type: ignore[misc]
            np.testing.assert_array_equal(p.evaluate((a, b), {}, t), p.evaluate((b, a), {}, t))  # type: ignore[misc]


@pytest.mark.parametrize("p", [p for p in REGISTRY.values() if p.family == "reduction"], ids=lambda p: p.name)
def test_reductions(p: Primitive) -> None:
    for dtype in DTYPES.values():
        if p.name in ("reduce_any", "reduce_all") and dtype != BOOL:
            continue
        x = sample(dtype, (3, 4, 2), 1)
        if dtype.kind in "fc":
            x = np.nan_to_num(x, nan=2.0, posinf=3.0, neginf=-1.0)
        for axes in [(0,), (1,), (2,)] if p.name.startswith("arg") else [(0,), (0, 2), (0, 1, 2)]:
            expected = np.asarray(NUMPY[p.name](x, axes))
            for dynamic in (False, True):
                function = Function("f")
                arguments: list[Any] = [x]
                shape: tuple[Any, ...] = x.shape
                if dynamic:
                    n = function.body.add_param(INDEX)
                    shape, arguments = (3, n, 2), [4, x]
                v = function.body.add_param(ArrayType(dtype, shape))
                b = Builder(function.body)
                b.return_(b.reduce(p, v, axes))
                assert function.outputs[0].dtype == expected.dtype
                compare(function, arguments, expected)


@pytest.mark.parametrize("shapes", [((2, 3), (3, 4)), ((5, 2, 3), (5, 3, 1)), ((2, 0), (0, 3))])
def test_matmul(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    for dtype in (np.float64, np.float32, np.complex128, np.int64):
        rng = np.random.default_rng(0)
        x, y = (rng.integers(-3, 4, s).astype(dtype) for s in shapes)
        function = Function("f", Block([ArrayType(x.dtype, x.shape), ArrayType(y.dtype, y.shape)]))
        b = Builder(function.body)
        b.return_(b.apply(REGISTRY["matmul"], *function.params))
        compare(function, [x, y], x @ y)


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=str)
def test_sorting(dtype: np.dtype) -> None:
    for shape in ((7,), (3, 5), (0,), (2, 0)):
        x = sample(dtype, shape, 3)
        for name, attrs, want in (
            ("sort", {}, np.sort(x)),
            ("argsort", {"stable": True}, np.argsort(x, kind="stable")),
            ("argsort", {"stable": False}, np.argsort(x)),
        ):
            function = Function("f", Block([ArrayType(dtype, shape)]))
            b = Builder(function.body)
            b.return_(b.apply(REGISTRY[name], *function.params, **attrs))
            compare(function, [x], want)


@pytest.mark.parametrize("dtype", ["f4", "f8", "c8", "c16"])
@pytest.mark.parametrize("batch", [(), (2,), (0,)], ids=str)
def test_linear_algebra(batch: tuple[int, ...], dtype: str) -> None:
    a = (np.random.default_rng(1).normal(size=(*batch, 3, 3)) + 3 * np.eye(3)).astype(dtype)
    if a.dtype.kind == "c":
        a += 1j * np.tril(a, -1)
    y, s = a[..., :2], a @ np.conj(np.swapaxes(a, -1, -2))
    for name, operands, want in (
        ("solve", [a, y], np.linalg.solve(a, y)),
        ("cholesky", [s], np.linalg.cholesky(s)),
        ("det", [a], np.asarray(np.linalg.det(a))),
    ):
        function = Function("f", Block([ArrayType(x.dtype, x.shape) for x in operands]))
        b = Builder(function.body)
        b.return_(b.emit(REGISTRY[name], function.params)[0])
        compare(function, operands, want)


def test_every_family_is_tested() -> None:
    for p in REGISTRY.values():
        assert p.name in NUMPY or p.name in PYTHON or p.family in UNTESTED_FAMILIES, p.name


def test_names_are_unique() -> None:
    with pytest.raises(ValueError, match="'add' is declared twice"):
        Primitive("add", "elementwise")


@pytest.mark.parametrize("p", REGISTRY.values(), ids=lambda p: p.name)
def test_declaration(p: Primitive) -> None:
    assert REGISTRY[p.name] is p and repr(p) == f"<primitive {p.name}>"
    assert not (p.terminator and p.evaluate)
    if p.family in ("elementwise", "reduction", "structural", "library"):
        assert p.evaluate is not None and p.pure
    # the verifier has a word for an op without operands and results, where that is wrong
    problem = p.problem(Op(p, (), ()))
    assert isinstance(problem, str) or p.name in ("yield", "return", "callback")
