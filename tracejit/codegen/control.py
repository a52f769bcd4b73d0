"""The kernel's control flow: blocks, branches, loops, checks, calls into Python, and staying interruptible.

**Polling.** A program that may run long asks for pending signals now and then. `fuel` is a counter in the frame; work
is charged to it, and when it runs out the kernel polls. A loop whose work is known and small is straight-line code in
this respect. An innermost ``for`` loop is cut into chunks that are charged as a whole, so that its body has nothing to
count; other loops pay one unit per turn, unless a loop inside pays in every turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tracejit.codegen import costs, elementwise, integers, memory, runtime_ir, vector
from tracejit.codegen.conditions import OVERFLOW, alternatives, has_upper, wrap_around
from tracejit.codegen.costs import FUEL
from tracejit.codegen.lanes import Lanes
from tracejit.codegen.scalars import BOOL, I64, SCALARS, Operand
from tracejit.codegen.target import Target
from tracejit.codegen.writer import POLL, PYTHON, FunctionText, Lines, ModuleText, Phi
from tracejit.ir.core import Block, Function, Op, Value
from tracejit.ir.types import INT64, BufferType
from tracejit.lazy import Lazy
from tracejit.ops.effects import constant

if TYPE_CHECKING:
    from tracejit.codegen import spmd, while_loops
else:
    spmd, while_loops = Lazy("tracejit.codegen.spmd"), Lazy("tracejit.codegen.while_loops")

PYTHON_ERROR = -1
"""The kernel's result when a Python exception is set."""

FEW = 64
"""Vector loops of at most so many turns are worth unrolling together with the loops around them."""

UNROLLED = 64
"""A loop of at most so much known work is written out."""

_POLL_FACTS = "cold nounwind memory(argmem: readwrite, inaccessiblemem: readwrite)"
"""Polling does not touch the program's buffers (as far as the program may rely on: a signal handler that does is a
race)."""


class Kernel:
    """Writes the body of one kernel.

    Attributes:
        env: The operand of every value emitted so far.
        lanes: Writes instructions on single elements.
        failures: Edges to the common failing exit: result code and label.
        settled: Ops whose results have been found already, together with others or in another way.
        allocates: Whether there are buffers outside of the frame.
        tracks: Whether it depends on the way through the program which of these are alive, so that a table says it.
    """

    def __init__(self, function: Function, module: ModuleText, text: FunctionText, target: Target) -> None:
        self.source = function
        self.module = module
        self.function = text
        self.target = target
        flags = " contract" if function.meta.get("contract") else ""
        self.lanes = Lanes(text, 1, flags)
        self.env: dict[Value, Operand] = {}
        self.costs = costs.Costs()
        self.failures: list[tuple[int, str]] = []
        self.settled: set[Op] = set()
        self.sites: list[Op] = []
        self.effects: list[Op] = []
        self.notes: list[str] = []
        self.allocates = False
        self.tracks = False
        self.scalar_loops = False
        self._vector_loops = 0
        self._numbers: dict[Op, int] = {}
        self._cold: Lines = []
        self._live: str | None = None
        self._owned: list[tuple[str, Lines, int]] = []
        self._fuel: str | None = None
        self._payload: str | None = None
        self._wrapping: dict[tuple[str, str, str], tuple[tuple[str, str], Block | None] | None] = {}
        for op in function.walk():
            name = op.name
            if name == "check":
                self._numbers[op] = len(self.sites)
                self.sites.append(op)
            elif name in ("print", "callback"):
                self._numbers[op] = len(self.effects)
                self.effects.append(op)
            elif name == "alloc":
                if op.attrs.get("stack") is None:
                    self.allocates = True
                    self.tracks = self.tracks or op.block is not function.body
            elif name == "free":
                self.tracks = True
            elif name in OVERFLOW:
                self._wrapping[self._wrapping_key(OVERFLOW[name], op)] = None

    # --- operands
    def text(self, v: Value) -> str:
        """The operand of a value that is not complex."""
        operand = self.env[v]
        assert isinstance(operand, str)
        return operand

    def pointer(self, v: Value) -> str:
        assert isinstance(v.type, BufferType)
        return self.text(v)

    def llvm_type(self, v: Value) -> str:
        s = SCALARS[v.dtype]
        return self.module.pointer(s) if isinstance(v.type, BufferType) else s.llvm

    def phi(self, v: Value) -> Phi:
        return Phi(self.function, self.llvm_type(v), None if isinstance(v.type, BufferType) else SCALARS[v.dtype])

    def phis(self, values: Sequence[Value]) -> list[Phi]:
        return [self.phi(v) for v in values]

    def bind(self, values: Sequence[Value], operands: Sequence[Operand]) -> None:
        self.env.update(zip(values, operands, strict=True))

    def operands(self, values: Sequence[Value]) -> list[Operand]:
        return [self.env[v] for v in values]

    # --- blocks and ops
    def block(self, block: Block) -> list[Operand]:
        """Write the ops of ``block``; return what it yields."""
        for op in block.ops[:-1]:
            self.op(op)
        return self.operands(block.yields)

    def op(self, op: Op) -> None:
        if op in self.settled:
            return
        rule = _RULES.get(op.primitive.name)
        if rule is not None:
            rule(self, op)
        else:
            self.elementwise(op)

    def elementwise(self, op: Op) -> None:
        if self._wrapping and (found := self._shared_overflow(op)) is not None:
            self.env[op.results[0]] = found
            return
        r = elementwise.apply(self.lanes, op, self.operands(op.operands))
        if op.name in ("minimum", "maximum") and self._stays_inside(op):
            r = self.lanes.opaque(SCALARS[op.result.dtype].llvm, str(r))
        self.env[op.results[0]] = r

    def _stays_inside(self, op: Op) -> bool:
        """Whether LLVM would move the constant of ``max(max(x, 0), y)`` to the outside. In a loop ``y`` stands there
        because it is known last (:mod:`tracejit.lower.recurrences`), and ``max(max(x, y), 0)`` takes longer."""
        if op.result.dtype.kind not in "iu" or op.block is self.source.body or len(op.result.users) > 1:
            return False
        constants = [self.lanes.known(x) is not None for x in self.operands(op.operands)]
        return any(constants) and all(u.name == op.name and u.block is op.block for u in op.result.users)

    def _wrapping_key(self, name: str, op: Op) -> tuple[str, str, str]:
        a, b = (v.label for v in op.operands)
        return (name, b, a) if name != "sub" and b < a else (name, a, b)

    def _shared_overflow(self, op: Op) -> str | None:
        """The result of an int64 operation, or of its overflow predicate, when the program asks for both: one
        instruction gives both."""
        name = OVERFLOW.get(op.name, op.name)
        if name not in ("add", "sub", "mul"):
            return None
        key = self._wrapping_key(name, op)
        if key not in self._wrapping or op.operands[0].dtype != INT64:
            return None
        if any(self.lanes.known(x) is not None for x in self.operands(op.operands)):
            return None  # see integers.overflows
        entry = self._wrapping[key]
        if entry is None or entry[1] is None or not entry[1].contains(op.block):
            a, b = self.operands(op.operands)
            assert isinstance(a, str) and isinstance(b, str)
            entry = self._wrapping[key] = (integers.with_overflow(self.lanes, name, a, b), op.block)
        return entry[0][op.name in OVERFLOW]

    def forget(self, block: Block) -> None:
        """``block`` is about to be written again, with other values."""
        for key, entry in self._wrapping.items():
            if entry is not None and entry[1] is not None and block.contains(entry[1]):
                self._wrapping[key] = None

    def const(self, op: Op) -> None:
        self.env[op.result] = self.lanes.constant(SCALARS[op.result.dtype], op.attrs["value"])

    # --- branches
    def if_(self, op: Op) -> None:
        f = self.function
        then, otherwise, join = f.new_label("then"), f.new_label("else"), f.new_label("join")
        facts = f", !prof {self.module.rare()}" if op.attrs.get("rare") else ""
        f.branch_if(self.text(op.operands[0]), then, otherwise, facts)
        edges: list[tuple[list[Operand], str]] = []
        for label, region in zip((then, otherwise), op.regions, strict=True):
            f.start(label)
            values = self.block(region)
            edges.append((values, f.label))
            f.branch(join)
        f.start(join)
        for k, r in enumerate(op.results):
            if edges[0][0][k] == edges[1][0][k]:
                self.env[r] = edges[0][0][k]
        for k, r in enumerate(op.results):
            if edges[0][0][k] != edges[1][0][k]:
                phi = self.phi(r)
                for values, label in edges:
                    phi.add(values[k], label)
                self.env[r] = phi.operand

    # --- loops
    def note(self, op: Op, how: str) -> None:
        """Take down how a loop over lanes was written."""
        if "mapped" in op.attrs:
            self.notes.append(f"{op.attrs['mapped']}; {how}")

    @contextmanager
    def scalar_without_vectors(self) -> Iterator[None]:
        """Around the writing of a loop: one in which no loop was written with vectors (other than of a few turns) is
        left to LLVM's loop passes, which have nothing to do for loops around vector loops."""
        before = self._vector_loops
        yield
        if self._vector_loops == before:
            self.scalar_loops = True

    def for_(self, op: Op) -> None:
        trips = costs.static_trips(op)
        if trips == 0:
            self.bind(op.results, self.operands(op.operands[3:]))
            return
        if op.attrs.get("vector") and vector.emit(self, op, trips):
            if trips is None or trips > FEW:
                self._vector_loops += 1
            return
        if op.attrs.get("parallel"):
            if spmd.emit(self, op, trips):
                self._vector_loops += 1
                return
        else:
            self.note(op, "one lane after the other")
        cost = self.costs.of(op.regions[0])
        if trips is not None and cost is not None and trips * cost <= UNROLLED:
            self._straight_for(op, trips)
            return
        with self.scalar_without_vectors():
            self._for(op, trips, cost)

    def _for(self, op: Op, trips: int | None, cost: int | None) -> None:
        start, stop, step = (self.text(v) for v in op.operands[:3])
        inits = self.operands(op.operands[3:])
        count = str(trips) if trips is not None else self.trip_count(op, start, stop, step)
        if self.costs.of_op(op) is not None:
            results = self.plain_for(op, start, count, step, inits, charged=False)
        else:
            if cost is not None:
                results = self.chunked(
                    start, count, step, cost, inits, op.results,
                    lambda first, n, carried: self.plain_for(op, first, n, step, carried, charged=False),
                )  # fmt: skip
            else:
                results = self.plain_for(op, start, count, step, inits, charged=not self.costs.pays(op.regions[0]))
        self.bind(op.results, results)

    def _straight_for(self, op: Op, trips: int) -> None:
        """All turns one after the other, the index a constant."""
        start, step = constant(op.operands[0]), constant(op.operands[2])
        assert isinstance(start, int) and isinstance(step, int)
        (region,) = op.regions
        carried = self.operands(op.operands[3:])
        for turn in range(trips):
            self.forget(region)
            self.bind(region.params, [self.lanes.num(I64, start + turn * step), *carried])
            carried = self.block(region)
        self.bind(op.results, carried)

    def trip_count(self, op: Op, start: str, stop: str, step: str) -> str:
        """How many turns ``range(start, stop, step)`` makes, as an unsigned number."""
        e = self.lanes
        known = constant(op.operands[2])
        assert known is None or isinstance(known, int)
        if known == 1 and start == "0":
            return e.intrinsic("smax", "i64", stop, "0")
        if known is None:
            up = e.op("icmp sgt", "i64", step, "0")
            low, high = e.select(up, "i64", start, stop), e.select(up, "i64", stop, start)
            stride = e.intrinsic("umax", "i64", e.intrinsic("abs", "i64", step, extra=", i1 false"), "1")
        else:
            low, high = (start, stop) if known > 0 else (stop, start)
            stride = str(abs(known))
        some = e.op("icmp slt", "i64", low, high)
        distance = e.op("sub", "i64", high, low)
        if stride == "1":
            return e.select(some, "i64", distance, "0")
        whole = e.op("udiv", "i64", e.op("add", "i64", distance, "-1"), stride)
        return e.select(some, "i64", e.op("add", "i64", whole, "1"), "0")

    def plain_for(
        self, op: Op, start: str, count: str, step: str, inits: list[Operand], *, charged: bool
    ) -> list[Operand]:
        """``count`` turns from ``start`` on; 0 turns are possible unless it is a literal."""
        f, region = self.function, op.regions[0]
        body, done = f.new_label("for"), f.new_label("done")
        before = f.label
        literal = count.isdigit()
        if literal:
            f.branch(body)
        else:
            f.branch_if(self.lanes.op("icmp ne", "i64", count, "0"), body, done)
        f.start(body)
        turn = Phi(f, "i64", I64)
        turn.add("0", before)
        counts_itself = start == "0" and step == "1"
        index = turn if counts_itself else Phi(f, "i64", I64)
        if not counts_itself:
            index.add(start, before)
        phis = self.phis(op.results)
        for phi, v in zip(phis, inits):
            phi.add(v, before)
        self.bind(region.params, [index.operand, *(phi.operand for phi in phis)])
        values = self.block(region)
        if charged:
            self.charge(str(1 + self.costs.of_parts(region)))
        assert isinstance(turn.operand, str) and isinstance(index.operand, str)
        # a turn is below the count, and an index that has a next one is below the stop
        following = self.lanes.op("add nuw nsw" if counts_itself or literal else "add nuw", "i64", turn.operand, "1")
        more = self.lanes.op("icmp ne", "i64", following, count)
        if not counts_itself:
            unit = step in ("1", "-1")
            index.add(self.lanes.op("add nsw" if unit else "add", "i64", index.operand, step), f.label)
        turn.add(following, f.label)
        for phi, v in zip(phis, values):
            phi.add(v, f.label)
        last = f.label
        facts = ""
        if op.attrs.get("vector") is False:
            # scattered stores as vectors are slower than one by one
            scalar = self.module.node('!{!"llvm.loop.vectorize.enable", i1 false}')
            facts = f", !llvm.loop {self.module.distinct(scalar)}"
        f.branch_if(more, body, done, facts)
        f.start(done)
        if literal:
            return values
        results = self.phis(op.results)
        for phi, init, v in zip(results, inits, values):
            phi.add(init, before)
            phi.add(v, last)
        return [phi.operand for phi in results]

    def chunked(
        self,
        start: str,
        count: str,
        step: str,
        cost: int,
        inits: list[Operand],
        carried: Sequence[Value],
        write: Callable[[str, str, list[Operand]], list[Operand]],
    ) -> list[Operand]:
        """Write a loop of ``count`` turns as chunks that are charged as a whole. ``write(first, n, carried)`` writes
        one of ``n`` turns from index ``first`` on and returns the carried values after it."""
        f, e = self.function, self.lanes
        longest = max(FUEL // (cost + 1), 1) & -64 or 1
        chunk, done = f.new_label("chunk"), f.new_label("chunks")
        before = f.label
        f.branch(chunk)
        f.start(chunk)
        left, first = Phi(f, "i64", I64), Phi(f, "i64", I64)
        phis = self.phis(carried)
        left.add(count, before)
        first.add(start, before)
        for phi, v in zip(phis, inits):
            phi.add(v, before)
        assert isinstance(left.operand, str) and isinstance(first.operand, str)
        n = e.intrinsic("umin", "i64", left.operand, str(longest))
        self.charge(e.op("add nuw nsw", "i64", e.op("mul nuw nsw", "i64", n, str(cost + 1)), "1"))
        values = write(first.operand, n, [phi.operand for phi in phis])
        rest = e.op("sub nuw", "i64", left.operand, n)
        following = e.op("add", "i64", first.operand, e.op("mul", "i64", n, step))
        more = e.op("icmp ne", "i64", rest, "0")
        left.add(rest, f.label)
        first.add(following, f.label)
        for phi, v in zip(phis, values):
            phi.add(v, f.label)
        rare = self.module.node('!{!"branch_weights", i32 1, i32 1000}')
        f.branch_if(more, chunk, done, f", !prof {rare}")
        f.start(done)
        return values

    # --- failing
    def fail_unless(
        self, ok: str, code: int, payload: Callable[[], None] | None = None, excuse: str | None = None
    ) -> None:
        """Leave the kernel with result ``code`` unless ``ok`` (or, seldom asked, ``excuse``), after ``payload`` has
        written what it tells."""
        f = self.function
        failing, go_on = f.new_label("fail"), f.new_label("ok")
        f.branch_likely(ok, go_on, failing)
        lines, f.lines = f.lines, self._cold
        f.start(failing)
        if excuse is not None:
            failing = f.new_label("fail")
            f.branch_if(excuse, go_on, failing)
            f.start(failing)
        if payload is not None:
            payload()
        self.failures.append((code, f.label))
        f.branch("failure")
        f.lines = lines
        f.start(go_on)

    def number_of(self, check: Op) -> int:
        """The result of the kernel that says that a check has failed."""
        return self._numbers[check] + 1

    def check(self, op: Op) -> None:
        def payload() -> None:
            ranks = memory.ranks_at(op)
            for k in range(1, len(op.operands)):
                memory.write_slot(self, "%context", k - 1, op, k, ranks.get(k))

        condition = op.operands[0]
        ok, excuse = self.text(condition), None
        if ok == "true":
            return
        wrap = wrap_around(op)
        if wrap is not None:
            self._index(op, wrap, payload)
            return
        parts = alternatives(condition)
        if parts is not None:
            ok, excuse = (self.text(v) for v in parts)
        self.fail_unless(ok, self._numbers[op] + 1, payload, excuse)

    def _index(self, check: Op, wrap: Op, payload: Callable[[], None]) -> None:
        """The check of an index that may be negative, and its normalisation: an index that is in range as it is takes
        one comparison, and nothing else is on its way to the address."""
        f, e = self.function, self.lanes
        index, shifted = wrap.operands[2], wrap.operands[1].op
        assert shifted is not None
        size = next(v for v in shifted.operands if v is not index)
        i, n, ok = self.text(index), self.text(size), self.text(check.operands[0])
        unusual, wrapped, go_on, failing = (f.new_label(t) for t in ("unusual", "wrapped", "ok", "fail"))
        plain = e.op("icmp ult", "i64", i, n) if has_upper(check) else e.op("icmp sge", "i64", i, "0")
        before = f.label
        f.branch_likely(plain, go_on, unusual)
        lines, f.lines = f.lines, self._cold
        f.start(unusual)
        f.branch_if(ok, wrapped, failing)
        f.start(wrapped)
        positive = e.op("add", "i64", i, n)
        f.branch(go_on)
        f.start(failing)
        payload()
        self.failures.append((self._numbers[check] + 1, f.label))
        f.branch("failure")
        f.lines = lines
        f.start(go_on)
        result = f.fresh()
        f.line(f"{result} = phi i64 [ {i}, %{before} ], [ {positive}, %{wrapped} ]")
        self.env[wrap.results[0]] = result
        self.settled.add(wrap)

    def charge(self, amount: str) -> None:
        """Take ``amount`` units of work from the fuel; poll when it is used up."""
        f = self.function
        go_on, poll = f.new_label("on"), f.new_label("poll")
        f.branch_likely(self._burn(amount), go_on, poll)
        lines, f.lines = f.lines, self._cold
        self._poll(poll, go_on)
        f.lines = lines
        f.start(go_on)

    def again(self, go: str, amount: str | None, body: str, done: str) -> tuple[list[str], str]:
        """The end of a loop's turn: charge ``amount``, and go to ``body`` if ``go``, to ``done`` if not.

        One branch does both.

        Returns:
            The blocks from which ``body`` is reached, and that from which ``done`` is.
        """
        f, e = self.function, self.lanes
        if amount is None:
            f.branch_if(go, body, done)
            return [f.label], f.label
        both = e.opaque("i32", e.convert("zext", "i1", "i32", e.op("and", "i1", go, self._burn(amount))))
        last, pause, poll = f.label, f.new_label("pause"), f.new_label("poll")
        f.branch_if(e.op("icmp ne", "i32", both, "0"), body, pause)
        f.start(pause)
        f.branch_likely(e.op("xor", "i1", go, "true"), done, poll)
        lines, f.lines = f.lines, self._cold
        self._poll(poll, body)
        f.lines = lines
        return [last, poll], pause

    def _burn(self, amount: str) -> str:
        """Whether there is fuel left after ``amount`` more units of work."""
        f, fuel, held = self.function, self.fuel(), self.function.fresh()
        f.line(f"{held} = load i64, ptr {fuel}, align 8")
        left = self.lanes.op("sub nsw", "i64", held, amount)
        f.line(f"store i64 {left}, ptr {fuel}, align 8")
        return self.lanes.op("icmp sge", "i64", left, "0")

    def _poll(self, poll: str, go_on: str) -> None:
        """The block ``poll``: look for signals, then go on."""
        f = self.function
        f.start(poll)
        self.module.need(POLL, "i32", "ptr")
        f.line(f"store i64 {FUEL}, ptr {self.fuel()}, align 8")
        status = f.fresh()
        f.line(f"{status} = call i32 @{POLL}(ptr %context) {_POLL_FACTS}")
        self.failures.append((PYTHON_ERROR, poll))
        f.branch_if(self.lanes.op("icmp eq", "i32", status, "0"), go_on, "failure")

    def fuel(self) -> str:
        if self._fuel is None:
            self._fuel = self.function.alloca("i64", 8)
            self.function.allocas.append(f"  store i64 {FUEL}, ptr {self._fuel}, align 8")
        return self._fuel

    def live_buffers(self) -> str:
        """The table of buffers that are allocated and not freed."""
        if self._live is None:
            self._live = live = self.function.alloca(runtime_ir.TABLE, 8)
            entry = self.function.allocas
            entry.append(f"  store i64 0, ptr {live}, align 8")
            entry.append(f"  {live}.c = getelementptr inbounds i8, ptr {live}, i64 8")
            entry.append(f"  store i64 {runtime_ir.INLINE_ITEMS}, ptr {live}.c, align 8")
            entry.append(f"  {live}.p = getelementptr inbounds i8, ptr {live}, i64 16")
            entry.append(f"  {live}.i = getelementptr inbounds i8, ptr {live}, i64 24")
            entry.append(f"  store ptr {live}.i, ptr {live}.p, align 8")
        return self._live

    def own(self, pointer: str) -> None:
        """The buffer at ``pointer``, allocated just now, is to be freed by failures from here on."""
        place: Lines = []
        self.function.lines.append(place)
        self._owned.append((pointer, place, len(self.failures)))

    def _free_owned(self) -> None:
        f = self.function
        for pointer, place, before in self._owned:
            if len(self.failures) == before:
                continue  # nothing fails any more
            slot, held = f.alloca("ptr", 8), f.fresh()
            f.allocas.append(f"  store ptr null, ptr {slot}, align 8")
            place.append(f"  store ptr {pointer}, ptr {slot}, align 8")
            self.module.declare("free", "void", "ptr", " nounwind")
            f.line(f"{held} = load ptr, ptr {slot}, align 8")
            f.line(f"call void @free(ptr {held})")

    # --- Python
    def python(self, op: Op) -> None:
        """A print or a callback: operands go into slots, results come back in them."""
        f = self.function
        slots = max(1, *(max(len(o.operands), len(o.results)) for o in self.effects))
        if self._payload is None:
            self._payload = f.alloca(f"[{16 * slots} x i8]", 16)
        for k in range(len(op.operands)):
            memory.write_slot(self, self._payload, k, op, k)
        self.module.need(PYTHON, "i32", "ptr, i32, ptr")
        status = f.fresh()
        f.line(f"{status} = call i32 @{PYTHON}(ptr %context, i32 {self._numbers[op]}, ptr {self._payload})")
        self.fail_unless(self.lanes.op("icmp eq", "i32", status, "0"), PYTHON_ERROR)
        for k, r in enumerate(op.results):
            address = memory.element(f, BOOL, self._payload, str(16 * k))
            self.env[r] = memory.read(self.lanes, SCALARS[r.dtype], address)

    # --- the end
    def finish(self, results: Op) -> None:
        """Store the results and return; write the failing exit."""
        f = self.function
        for k in range(len(results.operands)):
            memory.write_slot(self, "%results", k, results, k)
        if self._live is not None:
            forget = runtime_ir.need(self.module, "tj_forget")
            f.line(f"call void {forget}(ptr {self._live})")
        f.line("ret i32 0")
        f.lines += self._cold
        if not self.failures:
            return
        f.start("failure")
        edges = ", ".join(f"[ {code}, %{label} ]" for code, label in self.failures)
        f.line(f"%code = phi i32 {edges}")
        if self._live is not None:
            release = runtime_ir.need(self.module, "tj_release")
            f.line(f"call void {release}(ptr {self._live})")
        self._free_owned()
        f.line("ret i32 %code")


_RULES: dict[str, Callable[[Kernel, Op], None]] = {
    "const": Kernel.const,
    "if": Kernel.if_,
    "while": lambda kernel, op: while_loops.emit(kernel, op),
    "for": Kernel.for_,
    "check": Kernel.check,
    "print": Kernel.python,
    "callback": Kernel.python,
    "alloc": memory.alloc,
    "free": memory.free,
    "constant_buffer": memory.constant_buffer,
    "offset": memory.offset,
    "same_buffer": memory.same_buffer,
    "load": memory.load,
    "store": memory.store,
    "copy_elements": memory.copy_elements,
    "fill_zero": memory.fill_zero,
    "gemm": memory.gemm,
    "call": memory.call,
}
"""Ops that are not elementwise."""
