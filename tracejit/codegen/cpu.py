"""Machine code for the host CPU: text LLVM IR in, callable addresses out.

The way through this file is `compile_module`: parse and verify the text, optimise it with one of two pipelines,
emit a relocatable object (`emit_object`), and link the object into the process (`link_objects`). The two halves are
separate because an object does not depend on addresses of this process: everything outside the module is an imported
symbol, so an object can be kept on disk and linked again by a later process.

llvmlite takes a hundred milliseconds to import and is loaded on the first compilation, never on import.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from tracejit.record import record, replace

if TYPE_CHECKING:
    from llvmlite import binding as llvm

__all__ = [
    "CodegenError",
    "CompiledCode",
    "Optimize",
    "compile_module",
    "compile_modules",
    "emit_object",
    "host_features",
    "joined",
    "link_objects",
    "optimized_text",
    "vector_bits",
]

Optimize = Literal["none", "light", "peephole", "full"]
"""How hard to work on a module.

`none`: translate it as it is, in a third of the time; for code that is short or runs once per call. `light`: inline
what is marked `alwaysinline`, share and drop what is redundant; meant for IR that already has explicit vectors and the
loop structure it wants. `peephole`: the same, with LLVM's rules for instructions, which take longer than all else
together. `full`: LLVM's O2 with its loop vectoriser (O3 gains nothing on loops like ours, and takes up to twice as
long)."""

_library_numbers = itertools.count()


def _llvm_lock() -> Any:
    """llvmlite's own reentrant lock, held for a whole compilation. A second lock of ours would only add an order in
    which the two have to be taken, also by finalizers and by other users of llvmlite in the process."""
    from llvmlite.binding import ffi

    return ffi.lib._lock


_held_across_fork: list[Any] = []


def _before_fork() -> None:
    if "llvmlite.binding.ffi" in sys.modules:
        lock = _llvm_lock()
        lock.__enter__()
        _held_across_fork.append(lock)


def _after_fork() -> None:
    while _held_across_fork:
        _held_across_fork.pop().__exit__(None, None, None)


# LLVM must not be busy in another thread when the process forks: the child would inherit the lock with nobody to
# release it.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)


class CodegenError(RuntimeError):
    """LLVM refused the module: a bug in the emitter of the text, not in the user's program.

    Attributes:
        line: the line of the text that LLVM complained about, when it names one.
        text: the whole module.
    """

    def __init__(self, message: str, text: str = "", line_number: int | None = None) -> None:
        lines = text.splitlines()
        self.text = text
        self.line = lines[line_number - 1].strip() if line_number and line_number <= len(lines) else None
        super().__init__(message if self.line is None else f"{message}\n  line {line_number}: {self.line}")


@record(frozen=True, eq=False)
class CompiledCode:
    """Native code linked into the process. It is unmapped when this object is dropped: keep it while it can be called.

    Attributes:
        address: the address of each exported symbol.
        object_images: the relocatable objects, the same bytes that `link_objects` takes.
    """

    address: Mapping[str, int]
    object_images: tuple[bytes, ...]
    _sources: tuple[tuple[str, Optimize], ...]
    _tracker: Any

    @property
    def llvm(self) -> str:
        """The optimised LLVM IR of all modules (computed again on each use: it is for people to look at)."""
        return "\n".join(optimized_text(*source) for source in self._texts())

    @property
    def asm(self) -> str:
        """The assembly of all modules (computed again on each use)."""
        with _llvm_lock():
            parts = []
            for text, optimize in self._texts():
                with _host().optimized(text, optimize) as module:
                    parts.append(str(_host().machine_for(optimize).emit_assembly(module)))
        return "\n".join(parts)

    def _texts(self) -> tuple[tuple[str, Optimize], ...]:
        if not self._sources:
            raise CodegenError("this code was linked from objects: its LLVM IR is not available")
        return self._sources


@functools.cache
def host_features() -> tuple[str, str]:
    """The host CPU's LLVM name and its feature string (`+avx2,-avx512f,...`), as the target machine gets them.

    That vectors are as wide as `vector_bits` says is part of the features: as an attribute of functions, LLVM would set
    up its tables once more for each new value of it.
    """
    from llvmlite import binding as llvm

    features = llvm.get_host_cpu_features()
    flags = features.flatten()
    if _widest(features) == 512:
        flags += ",-prefer-128-bit,-prefer-256-bit"
    return llvm.get_host_cpu_name(), flags


@functools.cache
def vector_bits() -> int:
    """The vector width, in bits, that explicit vectors should have on this host.

    512 needs the AVX-512 subset that every server CPU since Skylake-X has; without its integer and 64-bit conversion
    instructions 512-bit code would be split into scalars. 128 is NEON and SSE.
    """
    return _widest({f[1:]: f[0] == "+" for f in host_features()[1].split(",")})


def _widest(features: Mapping[str, bool]) -> int:
    enabled = {name for name, has in features.items() if has}
    if {"avx512f", "avx512bw", "avx512dq", "avx512vl"} <= enabled:
        return 512
    return 256 if {"avx2", "fma"} <= enabled else 128


def compile_module(
    text: str,
    *,
    symbols: Sequence[str],
    imports: Mapping[str, int] | None = None,
    optimize: Optimize = "light",
) -> CompiledCode:
    """Compile one module of LLVM IR for the host and link it into the process.

    Args:
        text: the module. Its triple and data layout may be left out.
        symbols: the functions and globals whose addresses are wanted.
        imports: addresses of the external symbols that the module declares. Symbols of the C library need no entry.
        optimize: the pipeline, see `Optimize`.

    Raises:
        CodegenError: the text does not parse or verify, or a symbol is missing.
    """
    return compile_modules([(text, optimize)], symbols=symbols, imports=imports)


def compile_modules(
    modules: Sequence[tuple[str, Optimize]], *, symbols: Sequence[str], imports: Mapping[str, int] | None = None
) -> CompiledCode:
    """Compile several modules, each with its own pipeline, and link them together.

    Args:
        modules: texts and pipelines, see `compile_module`. One may declare what another defines.
        symbols: the functions and globals whose addresses are wanted.
        imports: addresses of the external symbols that no module defines.

    Raises:
        CodegenError: a text does not parse or verify, or a symbol is missing.
    """
    with _llvm_lock():
        images = [emit_object(text, optimize) for text, optimize in modules]
        try:
            code = link_objects(images, symbols=symbols, imports=imports)
        except CodegenError as error:
            texts = "\n".join(text for text, _ in modules)
            declared, defined = (
                set(re.findall(rf"^{w} [^@]*@([\w.$]+)\(", texts, re.M)) for w in ("declare", "define")
            )
            missing = sorted(n for n in declared - defined - set(imports or {}) if not n.startswith("llvm."))
            raise CodegenError(f"{error} (declared, not imported: {', '.join(missing) or 'nothing'})", texts) from error
    return replace(code, _sources=tuple(modules))


def joined(*texts: str) -> str:
    """One module of several that declare what others declare or define, and share no other name."""
    text = "\n".join(texts)
    known = set(_DEFINED.findall(text))
    lines = []
    for line in text.split("\n"):
        if line.startswith("declare "):
            symbol = line[line.index("@") : line.index("(")]
            if symbol in known:
                continue
            known.add(symbol)
        lines.append(line)
    return "\n".join(lines)


_DEFINED = re.compile(r"^define [^@\n]*(@[\w.$]+)\(", re.MULTILINE)


def emit_object(text: str, optimize: Optimize = "light") -> bytes:
    """Compile one module to a relocatable object for the host, not linked. Raises `CodegenError`."""
    with _llvm_lock(), _host().optimized(text, optimize) as module:
        return bytes(_host().machine_for(optimize).emit_object(module))


def optimized_text(text: str, optimize: Optimize = "light") -> str:
    """The module as LLVM IR text after the pipeline."""
    with _llvm_lock(), _host().optimized(text, optimize) as module:
        return str(module)


def link_objects(
    images: Sequence[bytes], *, symbols: Sequence[str], imports: Mapping[str, int] | None = None
) -> CompiledCode:
    """Link objects from `emit_object` into the process. Raises `CodegenError` when a symbol is missing."""
    with _llvm_lock():
        host = _host()
        builder = host.binding.JITLibraryBuilder().add_current_process()
        for image in images:
            builder.add_object_img(image)
        for name, address in (imports or {}).items():
            builder.import_symbol(name, address)
        for name in symbols:
            builder.export_symbol(name)
        try:
            tracker = builder.link(host.jit, f"tracejit.{next(_library_numbers)}")
        except RuntimeError as error:
            raise CodegenError(f"linking failed: {error}") from error
    return CompiledCode({name: tracker[name] for name in symbols}, tuple(images), (), tracker)


@functools.cache
def _host() -> _Host:
    return _Host()


class _Host:
    """The target machines, the pipelines and the JIT linker of this process; created once, used under the lock. What
    not every process needs is created when it is needed first."""

    def __init__(self) -> None:
        from llvmlite import binding

        self.binding = binding
        binding.initialize_native_target()
        binding.initialize_native_asmprinter()
        # Small position-independent code reaches constants relative to the program counter, where the large model
        # (LLVM's default for a JIT) spends a 10-byte move and a register on each; JITLink makes the stubs that far
        # symbols need.
        self._create_machine = functools.partial(
            binding.Target.from_default_triple().create_target_machine, reloc="pic", codemodel="small", jit=True
        )
        # the linker creates machines like the one it is given, and asks them for their data layout only
        linked = self._create_machine()
        self.jit = binding.create_lljit_compiler(linked, use_jit_link=True, suppress_errors=True)
        self.layout = str(linked.target_data)
        self.triple = linked.triple

    @functools.cached_property
    def machine(self) -> llvm.TargetMachine:
        """The code generator for modules that have been through a pipeline."""
        cpu, features = host_features()
        return self._create_machine(opt=2, cpu=cpu, features=features)

    @functools.cached_property
    def quick_machine(self) -> llvm.TargetMachine:
        """The code generator for modules that are translated as they are."""
        cpu, features = host_features()
        return self._create_machine(opt=0, cpu=cpu, features=features)

    def machine_for(self, optimize: Optimize) -> llvm.TargetMachine:
        """The code generator that goes with a pipeline."""
        return self.quick_machine if optimize == "none" else self.machine

    def run_pipeline(self, optimize: Literal["light", "peephole", "full"], module: Any) -> None:
        """Optimise a module. Pipelines are made for one run: LLVM's own do not survive it, and a builder keeps what a
        run registers with it."""
        options = self.binding.create_pipeline_tuning_options(2)
        if optimize != "full":
            passes = self.binding.create_new_module_pass_manager()
            passes.add_always_inliner_pass()
            passes.add_simplify_cfg_pass()
            passes.add_new_gvn_pass()
            if optimize == "peephole":
                # after value numbering: before it, combined instructions keep addresses from being found equal
                passes.add_instruction_combine_pass()
            passes.add_dead_code_elimination_pass()
            passes.add_global_dead_code_eliminate_pass()
            passes.run(module, self.binding.create_pass_builder(self.machine, options))
            return
        options.loop_vectorization = True
        # pairs gathered from scalar code cost more in shuffles and forwarded stores than they save (n-body: 1.5x)
        options.slp_vectorization = False
        options.loop_unrolling = options.loop_interleaving = True
        builder = self.binding.create_pass_builder(self.machine, options)
        builder.getModulePassManager().run(module, builder)

    @contextlib.contextmanager
    def optimized(self, text: str, optimize: Optimize) -> Iterator[Any]:
        """The parsed, verified and optimised module, for the length of a `with`.

        It lives in an LLVM context of its own, so that types and constants are freed with it. Both are closed here,
        module first: left to the garbage collector (an exception's traceback is a cycle), the order would be chance,
        and a context that goes first takes the process with it.
        """
        from llvmlite.binding.context import create_context

        with contextlib.closing(create_context()) as context:
            try:
                module = self.binding.parse_assembly(text, context)
            except RuntimeError as error:
                place = re.search(r"<string>:(\d+):\d+: error: (.*)", str(error))
                if place is None:
                    raise CodegenError(str(error), text) from error
                raise CodegenError(f"LLVM IR does not parse: {place[2]}", text, int(place[1])) from error
            with contextlib.closing(module):
                try:
                    module.verify()
                except RuntimeError as error:
                    message = str(error).strip()
                    raise CodegenError(f"LLVM IR is not valid: {message}", text, _line_of(message, text)) from error
                module.triple, module.data_layout = self.triple, self.layout
                if optimize != "none":
                    self.run_pipeline(optimize, module)
                with self._switches(optimize):
                    yield module

    @contextlib.contextmanager
    def _switches(self, optimize: Optimize) -> Iterator[None]:
        """LLVM's own switches for one module. They are global to the process, so they are set back for other users.

        - LLVM for x86 turns a conditional move on the critical path of a loop into a branch, betting that it is
          predictable. In dynamic programming (a minimum of what the turn before computed) it is not, and the loop
          takes twice as long.
        - Loop strength reduction finds nothing in loops of explicit vectors, whose addresses are as they should be,
          and takes half of the time of code generation to say so.
        """
        switches = ["disable-lsr=true"] if optimize in ("light", "peephole") else []
        if optimize == "full" and self.triple.startswith(("x86_64", "i686")):
            switches.append("x86-cmov-converter=false")
        opposite = {"true": "false", "false": "true"}
        for switch in switches:
            self.binding.set_option("tracejit", f"-{switch}")
        try:
            yield
        finally:
            for switch in switches:
                name, value = switch.split("=")
                self.binding.set_option("tracejit", f"-{name}={opposite[value]}")


def _line_of(message: str, text: str) -> int | None:
    """The number of the line that a verifier message quotes. LLVM prints the instruction after its complaint, with
    its own spacing, and unnamed operands may be printed differently, so only an exact quotation counts."""
    quoted = {" ".join(line.split()) for line in message.splitlines()[1:]}
    for number, line in enumerate(text.splitlines(), 1):
        if " ".join(line.split(";")[0].split()) in quoted - {""}:
            return number
    return None
