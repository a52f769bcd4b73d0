"""The native entry point of a compiled program: what Python calls.

``ptr @entry(ptr self, ptr args, i64 nargsf, ptr kwnames)`` is a vectorcall function. It binds the call's arguments,
checks guards and inputs, runs the kernel, and builds the result; each of these is a module of its own beside this
one. A call that does not fit goes to the entry point that the variable ``@next`` holds, or, when that is null, to
the Python object in the ``slow`` field of ``self``.

The frame holds everything (results, payloads, owned references), so the function may run in several threads and call
itself through a callback.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from tracejit.codegen import capi, cpu, support
from tracejit.codegen.entry_arguments import ABORT, MISMATCH, Binder, Navigator, Parameters
from tracejit.codegen.entry_inputs import Inputs
from tracejit.codegen.entry_results import FAILED, SLOT, Results
from tracejit.codegen.entry_text import PROFILE_METADATA, Writer
from tracejit.codegen.llvm import KernelText, parameters
from tracejit.codegen.memory import OUT_OF_MEMORY
from tracejit.codegen.writer import PYTHON
from tracejit.ir.interface import ArrayInput, OutSource, Program, Source, walk
from tracejit.lower.loops import Lowered
from tracejit.record import record

Release: TypeAlias = "Literal['never', 'always'] | int"
"""When the GIL is released around the kernel; an int: when the array inputs have at least so many elements together."""


@record(frozen=True)
class EntryText:
    """LLVM IR of an entry point.

    Attributes:
        text: The module.
        imports: Address of every symbol that it imports, except the kernel and the routines.
        routines: The routines of :mod:`tracejit.codegen.support` that it calls.
        keep_alive: Python objects that must outlive the code.
    """

    text: str
    imports: dict[str, int]
    routines: set[str]
    keep_alive: list[Any]


def link(entry: EntryText, kernel: KernelText, library: Mapping[str, int]) -> cpu.CompiledCode:
    """Compile an entry point and its kernel, and link them.

    ``library`` has the addresses of routines that the kernel needs from elsewhere. The result has the symbols
    ``entry``, the function, and ``next``, the variable that holds the entry point to try next.
    """
    routines = support.addresses(sorted(entry.routines | (kernel.needs & support.SIGNATURES.keys())))
    imports = routines | entry.imports | dict(library)
    # an entry point is a page of straight-line code: optimising it would cost far more than it gains
    modules: list[tuple[str, cpu.Optimize]] = [(kernel.text, kernel.optimize), (entry.text, "none")]
    if kernel.optimize == "none":
        modules = [(cpu.joined(kernel.text, entry.text), "none")]
    return cpu.compile_modules(modules, symbols=("entry", "next"), imports=imports)


def emit_entry(
    program: Program,
    lowered: Lowered,
    kernel: KernelText,
    call: Parameters,
    *,
    make_error: Any,
    run_effect: Any = None,
    changed: Sequence[Source] = (),
    slow_offset: int,
    release: Release = "never",
) -> EntryText:
    """Write the entry point of a kernel.

    Args:
        program: What the function was traced to.
        lowered: Its loop-level form.
        kernel: Its LLVM IR.
        call: How calls bind.
        make_error: Called with the number of the failing site, the address of its payload and the objects at
            ``changed``; gives the exception, with its traceback.
        run_effect: Called with the number of a ``print`` or ``callback``, the address of its operands and the objects
            at ``changed`` (None when the kernel has none of them).
        changed: Where the caller's objects are that the changes made before an exception are about.
        slow_offset: Where ``self`` keeps the object that handles every other call.
        release: When to release the GIL; never while there are prints or callbacks.
    """
    w = Writer()
    binder = Binder(w, call)
    navigator = Navigator(w, binder, program.guards)
    inputs = Inputs(w, navigator, program)
    results_room = w.alloca("i8", SLOT * len(lowered.function.outputs), 16)
    context = w.alloca("i8", SLOT * (kernel.slots + 1), 16)  # the last one: the objects that may be changed
    if kernel.calls_python:
        release = "never"
    results = Results(w, navigator, inputs, results_room, lowered.returned)

    binder.emit()
    navigator.expect(
        [i.source for i in program.inputs]
        + [p.source for p in walk(program.output) if isinstance(p, OutSource)]
        + list(changed)
    )
    navigator.check_guards()
    for i in program.inputs:
        inputs.check(i)
    inputs.check_relations()
    if release != "never" or kernel.calls_python:
        for i in program.inputs:
            if isinstance(i, ArrayInput):
                navigator.hold(i.source)
    results.hold(program.output)
    objects = results.gather(changed)
    if kernel.calls_python:
        w.store("ptr", objects, context, SLOT * kernel.slots)
    status = _run_kernel(w, inputs, results_room, context, kernel.symbol, lowered, release)
    w.require(w.op(f"icmp eq i32 {status}, 0"), "raise")
    value = results.build(program.output)
    navigator.release()
    w.do(f"ret ptr {value}")
    _write_raise(w, status, context, make_error, objects)
    w.label(FAILED)
    results.fail()
    w.do(f"br label %{ABORT}")
    w.label(ABORT)
    navigator.release()
    w.do("ret ptr null")
    _write_mismatch(w, navigator, slow_offset)
    text = _module(w, kernel, run_effect)
    return EntryText(text, w.imports, w.routines, w.keep_alive)


def _run_kernel(
    w: Writer, inputs: Inputs, results: str, context: str, symbol: str, lowered: Lowered, release: Release
) -> str:
    arguments = [*inputs.kernel_arguments(), f"ptr {results}", f"ptr {context}"]
    types = [a.split(" ", 1)[0] for a in arguments]
    assert types == [*parameters(lowered.function), "ptr", "ptr"], (types, parameters(lowered.function))
    w.kernel_types = types
    run = f"call i32 @{symbol}({', '.join(arguments)})"

    def unlocked() -> str:
        state = w.call("ptr", "PyEval_SaveThread")
        status = w.op(run)
        w.call("void", "PyEval_RestoreThread", f"ptr {state}")
        return status

    if release == "never":
        return w.op(run)
    if release == "always":
        return unlocked()
    total = inputs.total_elements()
    if isinstance(total, int):
        return unlocked() if total >= release else w.op(run)
    return w.choose(w.op(f"icmp sge i64 {total}, {release}"), unlocked, lambda: w.op(run), "i32")


def _write_raise(w: Writer, status: str, context: str, make_error: Any, objects: str) -> None:
    """The kernel failed: a Python exception is set already (-1), or site ``status`` is to be raised."""
    w.label("raise")
    w.do(f"switch i32 {status}, label %site [ i32 -1, label %{ABORT} i32 {OUT_OF_MEMORY}, label %memory ]")
    w.label("memory")
    w.call("ptr", "PyErr_NoMemory")
    w.do(f"br label %{ABORT}")
    w.label("site")
    # the exception comes back as an object, so that no frame of ours gets into its traceback
    error = w.op(w.python_call(make_error, status, context, objects))
    w.require(w.op(f"icmp ne ptr {error}, null"), ABORT)
    kind = w.load("ptr", error, capi.OB_TYPE)
    w.incref(kind)
    traceback = w.call("ptr", "PyException_GetTraceback", f"ptr {error}")
    w.call("void", "PyErr_Restore", f"ptr {kind}", f"ptr {error}", f"ptr {traceback}")
    w.do(f"br label %{ABORT}")


def _write_mismatch(w: Writer, navigator: Navigator, slow_offset: int) -> None:
    w.label(MISMATCH)
    w.call("void", "PyErr_Clear")
    navigator.release()
    w.globals.append("@next = global ptr null")
    following = w.load("ptr", "@next")
    w.do(f"%last = icmp eq ptr {following}, null")
    w.do("br i1 %last, label %slow, label %chain")
    w.label("chain")
    w.do(f"%other = musttail call ptr {following}(ptr %self, ptr %args, i64 %nargsf, ptr %kwnames)")
    w.do("ret ptr %other")
    w.label("slow")
    slow = w.load("ptr", "%self", slow_offset)
    w.do(f"%cleared = icmp eq ptr {slow}, null")
    w.do("br i1 %cleared, label %gone, label %python")
    w.label("python")
    arguments = (f"ptr {slow}", "ptr %args", "i64 %nargsf", "ptr %kwnames")
    w.do(f"ret ptr {w.call('ptr', 'PyObject_Vectorcall', *arguments)}")
    w.label("gone")  # the garbage collector has taken it apart, yet a finalizer calls it
    w.call("void", "PyErr_BadInternalCall")
    w.do("ret ptr null")


def _module(w: Writer, kernel: KernelText, run_effect: Any) -> str:
    w.declare(kernel.symbol, f"declare i32 @{kernel.symbol}({', '.join(w.kernel_types)})")
    if PYTHON in kernel.needs:
        w.globals.append(_effect(w, run_effect, SLOT * kernel.slots))
    body = ["define ptr @entry(ptr %self, ptr %args, i64 %nargsf, ptr %kwnames) {", "start:", *w.allocas, *w.lines, "}"]
    return "\n".join([*w.globals, *w.declarations(), *body, *PROFILE_METADATA])


def _effect(w: Writer, run_effect: Any, offset: int) -> str:
    """What a kernel calls for ``print`` and ``callback``; the objects are at ``offset`` of the context."""
    w.declare("Py_DecRef", "declare void @Py_DecRef(ptr)", capi.function("Py_DecRef"))
    return f"""
define i32 @{PYTHON}(ptr %context, i32 %number, ptr %payload) {{
  %place = getelementptr i8, ptr %context, i64 {offset}
  %objects = load ptr, ptr %place
  %result = {w.python_call(run_effect, "%number", "%payload", "%objects")}
  %failed = icmp eq ptr %result, null
  call void @Py_DecRef(ptr %result)
  %status = sext i1 %failed to i32
  ret i32 %status
}}"""
