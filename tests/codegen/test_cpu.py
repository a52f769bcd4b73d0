"""Compiling LLVM IR text for the host: addresses, imports, diagnostics, lifetime, threads, fork."""

from __future__ import annotations

import ctypes
import gc
import os
import subprocess
import sys
import threading
import weakref

import pytest

from tracejit.codegen import cpu

INT_TO_INT = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)

ADD = """
define i64 @add_{k}(i64 %x) nounwind {{
  %y = add i64 %x, {k}
  ret i64 %y
}}
"""

WITH_IMPORT = """
declare i64 @outside(i64)
define internal i64 @twice(i64 %x) alwaysinline readnone nounwind {
  %y = mul i64 %x, 2
  ret i64 %y
}
define i64 @f(i64 %x) nounwind {
  %y = call i64 @outside(i64 %x)
  %z = call i64 @twice(i64 %y)
  ret i64 %z
}
"""


@INT_TO_INT
def outside(x: int) -> int:
    return x + 100


IMPORTS = {"outside": ctypes.cast(outside, ctypes.c_void_p).value or 0}


@pytest.mark.parametrize("optimize", ["none", "light", "peephole", "full"])
def test_compiled_code_runs_and_calls_imported_addresses(optimize: cpu.Optimize) -> None:
    code = cpu.compile_module(WITH_IMPORT, symbols=["f"], imports=IMPORTS, optimize=optimize)
    assert INT_TO_INT(code.address["f"])(5) == 210


@pytest.mark.parametrize("optimize", ["none", "light", "peephole", "full"])
def test_a_pipeline_serves_many_modules(optimize: cpu.Optimize) -> None:
    for k in range(3):
        code = cpu.compile_module(ADD.format(k=k), symbols=[f"add_{k}"], optimize=optimize)
        assert INT_TO_INT(code.address[f"add_{k}"])(1) == 1 + k


def test_optimised_text_has_inlined_the_helpers() -> None:
    code = cpu.compile_module(WITH_IMPORT, symbols=["f"], imports=IMPORTS)
    assert "twice" not in code.llvm
    assert "f:" in code.asm


def test_symbols_of_the_c_library_need_no_import() -> None:
    text = "declare i64 @labs(i64)\ndefine i64 @f(i64 %x) {\n  %y = call i64 @labs(i64 %x)\n  ret i64 %y\n}"
    code = cpu.compile_module(text, symbols=["f"])
    assert INT_TO_INT(code.address["f"])(-3) == 3


def test_modules_join_whatever_way_they_depend_on_each_other() -> None:
    first = """declare i64 @labs(i64)
declare i64 @g(i64)
define i64 @f(i64 %x) {
  %y = call i64 @g(i64 %x)
  ret i64 %y
}"""
    second = """declare i64 @f(i64)
declare i64 @labs(i64) nounwind
define i64 @g(i64 %x) {
  %y = call i64 @labs(i64 %x)
  ret i64 %y
}"""
    for texts in ((first, second), (second, first)):
        code = cpu.compile_module(cpu.joined(*texts), symbols=["f"], optimize="none")
        assert INT_TO_INT(code.address["f"])(-3) == 3


def test_an_object_links_again() -> None:
    code = cpu.link_objects([cpu.emit_object(WITH_IMPORT)], symbols=["f"], imports=IMPORTS)
    assert INT_TO_INT(code.address["f"])(1) == 202
    with pytest.raises(cpu.CodegenError, match="not available"):
        _ = code.llvm


def test_text_that_does_not_parse_names_its_line() -> None:
    with pytest.raises(cpu.CodegenError, match="invalid operand type") as caught:
        cpu.compile_module("define i64 @f(i64 %x) {\n  %z = fadd i64 %x, %x\n  ret i64 %z\n}", symbols=["f"])
    assert caught.value.line == "%z = fadd i64 %x, %x"


def test_text_that_does_not_verify_names_its_line() -> None:
    text = "define i64 @f(i64 %x) {\n  %a = add i64 %b, 1\n  %b = add i64 %x, 2\n  ret i64 %a\n}"
    with pytest.raises(cpu.CodegenError, match="does not dominate") as caught:
        cpu.compile_module(text, symbols=["f"])
    assert caught.value.line in ("%a = add i64 %b, 1", "%b = add i64 %x, 2")


def test_a_missing_import_is_named() -> None:
    with pytest.raises(cpu.CodegenError, match="declared, not imported: outside"):
        cpu.compile_module(WITH_IMPORT, symbols=["f"])


def test_a_missing_symbol_is_named() -> None:
    with pytest.raises(cpu.CodegenError, match="nowhere"):
        cpu.compile_module(ADD.format(k=1), symbols=["nowhere"])


def test_code_is_freed_with_its_handle() -> None:
    code = cpu.compile_module(ADD.format(k=1), symbols=["add_1"])
    tracker = weakref.ref(code._tracker)
    del code
    gc.collect()
    assert tracker() is None


def test_threads_compile_at_once() -> None:
    results: dict[int, int] = {}

    def work(k: int) -> None:
        for _ in range(5):
            code = cpu.compile_module(ADD.format(k=k), symbols=[f"add_{k}"])
            results[k] = INT_TO_INT(code.address[f"add_{k}"])(1)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {k: k + 1 for k in range(8)}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_compiles() -> None:
    cpu.compile_module(ADD.format(k=1), symbols=["add_1"])
    stop = threading.Event()

    def churn() -> None:
        while not stop.is_set():
            cpu.compile_module(ADD.format(k=2), symbols=["add_2"])

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(5):
            child = os.fork()
            if child == 0:
                code = cpu.compile_module(ADD.format(k=3), symbols=["add_3"])
                os._exit(0 if INT_TO_INT(code.address["add_3"])(1) == 4 else 1)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        stop.set()
        thread.join()


def test_importing_loads_no_llvmlite() -> None:
    script = "import sys, tracejit.codegen.cpu; sys.exit('llvmlite' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_vector_bits_is_a_hardware_width() -> None:
    assert cpu.vector_bits() in (128, 256, 512)
