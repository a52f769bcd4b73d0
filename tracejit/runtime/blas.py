"""Where matrix products come from: the BLAS that NumPy itself uses, behind one interface with 64-bit integers.

Kernels import ``tj_sgemm``, ``tj_dgemm``, ``tj_cgemm`` and ``tj_zgemm``: CBLAS's ``gemm`` with ``int64_t``
dimensions, called with
``alpha`` 1 and ``beta`` 0. :func:`address` finds them in the library that NumPy is linked to, under whatever name it
has there; a BLAS with 32-bit integers gets a wrapper, and where there is none at all (or a matrix is too large for
it) a plain loop in LLVM IR does the work.
"""

from __future__ import annotations

import ctypes
import functools

import numpy as np

from tracejit.codegen.cpu import CompiledCode, compile_module

_WIDE = ("scipy_cblas_{}gemm64_", "cblas_{}gemm64_", "cblas_{}gemm_64", "cblas_{}gemm$NEWLAPACK$ILP64")
_NARROW = ("scipy_cblas_{}gemm", "cblas_{}gemm", "cblas_{}gemm$NEWLAPACK")
_PARTS = {"s": "float", "d": "double", "c": "float", "z": "double"}
_linked: dict[str, CompiledCode] = {}

SYMBOLS = frozenset(f"tj_{letter}gemm" for letter in _PARTS)
"""The symbols that :func:`address` knows."""


@functools.cache
def address(symbol: str) -> int:
    """The address of one of :data:`SYMBOLS`."""
    letter = symbol.removeprefix("tj_")[0]
    assert symbol in SYMBOLS, symbol
    return find(letter, _WIDE) or _compiled(letter, find(letter, _NARROW))


def find(letter: str, names: tuple[str, ...]) -> int | None:
    """Look a routine up in NumPy's extension module and the libraries it depends on."""
    library = ctypes.CDLL(np._core._multiarray_umath.__file__)  # type: ignore[attr-defined]
    for name in names:
        routine = getattr(library, name.format(letter), None)
        if routine is not None:
            return ctypes.cast(routine, ctypes.c_void_p).value
    return None


def _compiled(letter: str, narrow: int | None) -> int:
    name = f"tj_{letter}gemm"
    imports = {} if narrow is None else {"narrow": narrow}
    code = compile_module(_text(letter, narrow is not None), symbols=(name,), imports=imports, optimize="full")
    _linked[name] = code
    return code.address[name]


def _text(letter: str, narrow: bool) -> str:
    part = _PARTS[letter]
    scalar = "ptr" if letter in "cz" else part
    before = "i64 %m, i64 %n, i64 %k"
    after = f"{scalar} %alpha, ptr %a, i64 %lda, ptr %b, i64 %ldb, {scalar} %beta, ptr %c, i64 %ldc"
    head = f"define void @tj_{letter}gemm(i32 %order, i32 %ta, i32 %tb, {before}, {after})"
    loop = _loop(letter, part, before, after)
    call = f"  call void @loop(i32 %ta, i32 %tb, {before}, {after})\n  ret void\n"
    if not narrow:
        return f"{loop}\n{head} {{\n{call}}}\n"
    sizes = ("m", "n", "k", "lda", "ldb", "ldc")
    largest = "".join(
        f"  %x{i + 1} = call i64 @llvm.umax.i64(i64 {'0' if i == 0 else f'%x{i}'}, i64 %{s})\n"
        for i, s in enumerate(sizes)
    )
    cut = "".join(f"  %{s}.32 = trunc i64 %{s} to i32\n" for s in sizes)
    declared = f"i32, i32, i32, i32, i32, i32, {scalar}, ptr, i32, ptr, i32, {scalar}, ptr, i32"
    return f"""{loop}
declare i64 @llvm.umax.i64(i64, i64)
declare void @narrow({declared})
{head} {{
{largest}  %fits = icmp ule i64 %x{len(sizes)}, 2147483647
  br i1 %fits, label %library, label %own
library:
{cut}  call void @narrow(i32 %order, i32 %ta, i32 %tb, i32 %m.32, i32 %n.32, i32 %k.32, {scalar} %alpha, ptr %a, i32
%lda.32, ptr %b, i32 %ldb.32, {scalar} %beta, ptr %c, i32 %ldc.32)
  ret void
own:
{call}}}
"""


def _loop(letter: str, part: str, before: str, after: str) -> str:
    """``c = op(a) @ op(b)`` row by row: each element of ``a`` times a row of ``b`` is added to a row of ``c``."""
    is_complex = letter in "cz"
    width = 2 if is_complex else 1

    def element(pointer: str, index: str, name: str) -> str:
        kind = f"[{width} x {part}]"
        text = f"  %{name}.at = getelementptr {kind}, ptr {pointer}, i64 {index}\n"
        text += f"  %{name}.0 = load {part}, ptr %{name}.at\n"
        if is_complex:
            text += f"  %{name}.im.at = getelementptr {part}, ptr %{name}.at, i64 1\n"
            text += f"  %{name}.1 = load {part}, ptr %{name}.im.at\n"
        return text

    if is_complex:
        multiply = f"""  %rr = fmul {part} %x.0, %y.0
  %ii = fmul {part} %x.1, %y.1
  %ri = fmul {part} %x.0, %y.1
  %ir = fmul {part} %x.1, %y.0
  %re = fsub {part} %rr, %ii
  %im = fadd {part} %ri, %ir
  %s.0 = fadd {part} %z.0, %re
  %s.1 = fadd {part} %z.1, %im
  store {part} %s.0, ptr %z.at
  store {part} %s.1, ptr %z.im.at
"""
    else:
        multiply = f"  %p = fmul contract {part} %x.0, %y.0\n  %s.0 = fadd contract {part} %z.0, %p\n"
        multiply += f"  store {part} %s.0, ptr %z.at\n"
    size = width * (4 if part == "float" else 8)
    return f"""declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
define internal void @loop(i32 %ta, i32 %tb, {before}, {after}) {{
start:
  %at = icmp eq i32 %ta, 112
  %bt = icmp eq i32 %tb, 112
  %a.row = select i1 %at, i64 1, i64 %lda
  %a.column = select i1 %at, i64 %lda, i64 1
  %b.row = select i1 %bt, i64 1, i64 %ldb
  %b.column = select i1 %bt, i64 %ldb, i64 1
  %bytes = mul i64 %n, {size}
  br label %rows
rows:
  %i = phi i64 [ 0, %start ], [ %i.next, %depth ]
  %rows.done = icmp sge i64 %i, %m
  br i1 %rows.done, label %end, label %row
row:
  %c.index = mul i64 %i, %ldc
  %c.row = getelementptr [{width} x {part}], ptr %c, i64 %c.index
  call void @llvm.memset.p0.i64(ptr %c.row, i8 0, i64 %bytes, i1 false)
  %i.next = add i64 %i, 1
  br label %depth
depth:
  %l = phi i64 [ 0, %row ], [ %l.next, %columns ]
  %depth.done = icmp sge i64 %l, %k
  br i1 %depth.done, label %rows, label %term
term:
  %a.i = mul i64 %i, %a.row
  %a.l = mul i64 %l, %a.column
  %a.index = add i64 %a.i, %a.l
{element("%a", "%a.index", "x")}  %b.l = mul i64 %l, %b.row
  %l.next = add i64 %l, 1
  br label %columns
columns:
  %j = phi i64 [ 0, %term ], [ %j.next, %column ]
  %columns.done = icmp sge i64 %j, %n
  br i1 %columns.done, label %depth, label %column
column:
  %b.j = mul i64 %j, %b.column
  %b.index = add i64 %b.l, %b.j
{element("%b", "%b.index", "y")}{element("%c.row", "%j", "z")}{multiply}  %j.next = add i64 %j, 1
  br label %columns
end:
  ret void
}}"""
