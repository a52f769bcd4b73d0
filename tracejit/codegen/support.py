"""Routines that kernels and entry points share, compiled when first needed and imported by address.

Each is a function that compiled code calls at most a few times per call, so nothing is lost by not inlining it, and
every module that does not carry it compiles faster.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterable

from tracejit.codegen import capi, cpu, runtime_ir

BIND = "tj_bind"
"""``i1 tj_bind(args, nargs, kwnames, bound, names, defaults, least, direct, first_extra, total)``: fill the ``total``
slots of ``bound`` from a call's positional arguments (from ``least`` to ``direct`` of them), then from keywords by
identity of their (interned) names, then from defaults. Keywords whose slots are at ``first_extra`` or later must come
in the order of the slots. False wherever it is not certain: Python then binds the call, with Python's own error
messages."""

BIND_CELL = "tj_bind.cell"
"""``ptr``: the address of :data:`BIND`, or null as long as no call has needed it. Most programs have none that does."""

SAME_KEY = "tj_same_key"
"""``i1 tj_same_key(a, b)``: whether two objects are of one type and equal."""

POLL = "tj_poll"
"""``i32 tj_poll(context)``: not 0 when a signal handler has raised. Asked often; looked up some thirty times a
second."""

SIGNATURES = {
    BIND: ("i1", "ptr, i64, ptr, ptr, ptr, ptr, i64, i64, i64, i64"),
    SAME_KEY: ("i1", "ptr, ptr"),
    POLL: ("i32", "ptr"),
    **runtime_ir.ALLOCATOR,
}
"""Result and parameter types of every routine."""

_BIND = f"""
@null = private constant ptr null
define i1 @{BIND}(ptr %args, i64 %nargs, ptr %kwnames, ptr %bound, ptr %names, ptr %defaults, i64 %least, i64 %direct,
                  i64 %first_extra, i64 %total) {{
start:
  %few = icmp ult i64 %nargs, %least
  %many = icmp ugt i64 %nargs, %direct
  %odd = or i1 %few, %many
  br i1 %odd, label %no, label %copy
copy:
  %i = phi i64 [ 0, %start ], [ %i.next, %copy.body ]
  %copied = icmp eq i64 %i, %total
  br i1 %copied, label %keywords, label %copy.body
copy.body:
  %given = icmp ult i64 %i, %nargs
  %from = getelementptr ptr, ptr %args, i64 %i
  %source = select i1 %given, ptr %from, ptr @null
  %value = load ptr, ptr %source
  %to = getelementptr ptr, ptr %bound, i64 %i
  store ptr %value, ptr %to
  %i.next = add i64 %i, 1
  br label %copy
keywords:
  %none = icmp eq ptr %kwnames, null
  br i1 %none, label %rest, label %count
count:
  %size.at = getelementptr i8, ptr %kwnames, i64 {capi.OB_SIZE}
  %size = load i64, ptr %size.at
  %items = getelementptr i8, ptr %kwnames, i64 {capi.TUPLE_ITEMS}
  %before.extra = sub i64 %first_extra, 1
  br label %keyword
keyword:
  %k = phi i64 [ 0, %count ], [ %k.next, %found ]
  %last = phi i64 [ %before.extra, %count ], [ %last.next, %found ]
  %named = icmp eq i64 %k, %size
  br i1 %named, label %rest, label %search
search:
  %name.at = getelementptr ptr, ptr %items, i64 %k
  %name = load ptr, ptr %name.at
  br label %compare
compare:
  %s = phi i64 [ 0, %search ], [ %s.next, %compare.next ]
  %unknown = icmp eq i64 %s, %total
  br i1 %unknown, label %no, label %compare.body
compare.body:
  %this.at = getelementptr ptr, ptr %names, i64 %s
  %this = load ptr, ptr %this.at
  %same = icmp eq ptr %this, %name
  br i1 %same, label %hit, label %compare.next
compare.next:
  %s.next = add i64 %s, 1
  br label %compare
hit:
  %slot = getelementptr ptr, ptr %bound, i64 %s
  %old = load ptr, ptr %slot
  %twice = icmp ne ptr %old, null
  %extra = icmp sge i64 %s, %first_extra
  %before = icmp sle i64 %s, %last
  %unordered = and i1 %extra, %before
  %last.next = select i1 %extra, i64 %s, i64 %last
  %bad = or i1 %twice, %unordered
  br i1 %bad, label %no, label %found
found:
  %value.at.index = add i64 %nargs, %k
  %value.at = getelementptr ptr, ptr %args, i64 %value.at.index
  %value2 = load ptr, ptr %value.at
  store ptr %value2, ptr %slot
  %k.next = add i64 %k, 1
  br label %keyword
rest:
  %r = phi i64 [ 0, %keywords ], [ 0, %keyword ], [ %r.next, %rest.next ]
  %done = icmp eq i64 %r, %total
  br i1 %done, label %yes, label %rest.body
rest.body:
  %have.at = getelementptr ptr, ptr %bound, i64 %r
  %have = load ptr, ptr %have.at
  %missing = icmp eq ptr %have, null
  br i1 %missing, label %default, label %rest.next
default:
  %default.at = getelementptr ptr, ptr %defaults, i64 %r
  %value3 = load ptr, ptr %default.at
  store ptr %value3, ptr %have.at
  %required = icmp eq ptr %value3, null
  br i1 %required, label %no, label %rest.next
rest.next:
  %r.next = add i64 %r, 1
  br label %rest
yes:
  ret i1 true
no:
  ret i1 false
}}
"""

_SAME_KEY = f"""
define i1 @{SAME_KEY}(ptr %a, ptr %b) {{
  %ta.at = getelementptr i8, ptr %a, i64 {capi.OB_TYPE}
  %tb.at = getelementptr i8, ptr %b, i64 {capi.OB_TYPE}
  %ta = load ptr, ptr %ta.at
  %tb = load ptr, ptr %tb.at
  %types = icmp eq ptr %ta, %tb
  br i1 %types, label %compare, label %no
compare:
  %r = call i32 @PyObject_RichCompareBool(ptr %a, ptr %b, i32 2)
  %yes = icmp eq i32 %r, 1
  ret i1 %yes
no:
  ret i1 false
}}
"""

# a clock that user code may read, and about how far it gets in a thirtieth of a second
_CLOCK, _TICKS = (
    ("readcyclecounter", 100_000_000) if platform.machine() in ("x86_64", "AMD64") else ("readsteadycounter", 1_000_000)
)

_POLL = f"""
@next = internal global i64 0
define i32 @{POLL}(ptr %context) {{
  %now = call i64 @llvm.{_CLOCK}()
  %next = load atomic i64, ptr @next monotonic, align 8
  %due = icmp uge i64 %now, %next
  br i1 %due, label %look, label %no
look:
  %later = add i64 %now, {_TICKS}
  store atomic i64 %later, ptr @next monotonic, align 8
  %state = call i32 @PyGILState_Ensure()
  %signal = call i32 @PyErr_CheckSignals()
  call void @PyGILState_Release(i32 %state)
  ret i32 %signal
no:
  ret i32 0
}}
"""

_TEXTS = {BIND: _BIND, SAME_KEY: _SAME_KEY, POLL: _POLL, **runtime_ir.ROUTINES}
_CALLED = {"tj_alloc": ("tj_new",), "tj_release": ("tj_forget",)}
"""Which routines call which."""

_PYTHON_API = {
    "PyObject_RichCompareBool": "i32 @PyObject_RichCompareBool(ptr, ptr, i32)",
    "PyGILState_Ensure": "i32 @PyGILState_Ensure()",
    "PyErr_CheckSignals": "i32 @PyErr_CheckSignals()",
    "PyGILState_Release": "void @PyGILState_Release(i32)",
}

_compiled: dict[str, int] = {}
_keep_alive: list[cpu.CompiledCode] = []


_bind_cell = ctypes.c_void_p()


def bind_cell() -> int:
    """The address of :data:`BIND_CELL`."""
    return ctypes.addressof(_bind_cell)


def provide_bind() -> None:
    """From now on entry points bind calls with keywords and defaults."""
    if _bind_cell.value is None:
        _bind_cell.value = addresses([BIND])[BIND]


def addresses(names: Iterable[str]) -> dict[str, int]:
    """The addresses of routines; those that no one has needed before are compiled, together."""
    names = list(names)
    missing = dict.fromkeys(n for n in names if n not in _compiled)
    if missing:
        _compile([*missing, *(c for n in missing for c in _CALLED.get(n, ()) if c not in missing)])
    return {n: _compiled[n] for n in names}


def _compile(names: list[str]) -> None:
    texts = "\n".join(_TEXTS[n] for n in names)
    api = [n for n in _PYTHON_API if f"@{n}(" in texts]
    declarations = [f"declare {_PYTHON_API[n]}" for n in api] + [f"declare i64 @llvm.{_CLOCK}()", runtime_ir.LIBRARY]
    code = cpu.compile_module(
        "\n".join([*declarations, texts]), symbols=names, imports={n: capi.function(n) for n in api}, optimize="none"
    )
    _keep_alive.append(code)
    _compiled.update(code.address)
