"""Loops: run as Python runs them where that is possible and cheap, else recorded once (see
:mod:`tracejit.trace.turns`).

A ``for`` over a range, an array and the like is recorded, unless it is short. If that fails because Python needs to
know the value of the counter (as a list index, say), a loop of known length is unrolled instead. A ``while`` starts
as Python would run it and is recorded as soon as its condition, or a jump out of it, turns out to be traced, or when
it goes on for long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tracejit.errors import CaptureError, NeedsConcrete, traceback_loc
from tracejit.ir.core import Block, Value
from tracejit.ir.loc import Loc
from tracejit.ir.types import BOOL, INDEX, PREDICATE, Dim
from tracejit.ops import elementwise as E
from tracejit.trace import dims
from tracejit.trace.boxes import ArrayTracer
from tracejit.trace.context import is_tracing
from tracejit.trace.control import UNBOUND, Arm, Control, NotRollable, control
from tracejit.trace.iterables import Checkpointed, Staged, StagedRange, Unrolled, staged
from tracejit.trace.join import BranchJoin
from tracejit.trace.loop_ops import Carried, LoopMaker, flagged_condition
from tracejit.trace.places import related
from tracejit.trace.scalars import ScalarTracer
from tracejit.trace.staging import Env, truth
from tracejit.trace.templates import Template
from tracejit.trace.tracer import PY_INT, Origin
from tracejit.trace.turns import Turn, head_template

if TYPE_CHECKING:
    from tracejit.trace.rewrite import Site

_ATTEMPTS = 12


class Loop:
    """What drivers of loops share. The protocol is described in :mod:`tracejit.trace.rewrite`.

    Args:
        site: The loop in the source.
        env: The names before it.
    """

    def __init__(self, site: Site, env: Env) -> None:
        self.site = site
        self.fresh = True
        self.watch = True
        self.joined = False
        self.split = False
        self._state = self._take(env)  # the names at the start of the next turn
        self._env = self._state  # the names after the last turn
        self._guard: Arm | None = None
        self._turn: Turn | None = None
        self._fixable = False  # another way is left if recording the loop needs what only an unrolled loop knows
        self._failed: Exception | None = None
        self._restart = False  # the turn has to be recorded in another way

    # --- called by the rewritten code
    def enter(self) -> tuple[Any, ...]:
        state = self._state
        return tuple(state.get(name, UNBOUND) for name in self.site.names)

    again = enter

    def leave(self, env: Env) -> None:
        self._env = self._take(env)

    def result(self) -> tuple[Any, ...]:
        return tuple(self._state.get(name, UNBOUND) for name in self.site.joined)

    def caught(self, error: Exception) -> bool:
        if self._turn is None:
            return self._guard is not None and self._guard.caught(error)
        if self._fixes(error):
            self._failed = error
            return True
        return (self._guard or self._turn.body).caught(error)

    def _take(self, env: Env) -> Env:
        return {name: env[name] for name in self.site.names if name in env}

    # --- recording
    def _fixes(self, error: Exception) -> bool:
        """Whether unrolling the loop would prevent this: Python would know the value that it needs, say."""
        if not self._fixable or self._turn is None:
            return False
        if isinstance(error, NotRollable):
            return True
        if not isinstance(error, NeedsConcrete):
            return False
        return depends_on(error.value, [arm.block for arm in self._turn.arms] + self._turn.outer_blocks)

    def _record(self, c: Control, make: Callable[[Turn], Iterator[Any]]) -> Iterator[Any]:
        """Record turns until the templates fit; ``make(turn)`` opens blocks and yields what the rewritten code asks
        for.

        Leaves the turn in ``self._turn`` with its last block open, or None there when recording failed in a way that
        unrolling may mend.
        """
        entry = self._state
        templates: dict[str, Template] = {}
        for name in self.site.carried:
            if name != self.site.flag:
                templates[name] = head_template(entry.get(name, UNBOUND), c)
        objects: dict[int, tuple[Any, Template]] = {}
        assumed: dict[int, Any] = {}
        doubted: set[int] = set()
        for _ in range(_ATTEMPTS):
            turn = self._turn = Turn(c, self.site, entry, templates, objects, assumed)
            self._env = {}
            self.fresh = True
            yield from make(turn)
            if self._failed is not None:
                turn.abandon()
                self._turn = None
                self._state = entry
                return
            if self._restart:
                turn.abandon()
                self._restart = False
                continue
            try:
                new = turn.widened(self._env)
            except CaptureError as error:
                if not self._fixable:
                    raise
                self._failed = error
                turn.abandon()
                self._turn = None
                self._state = entry
                return
            if new is None:
                return
            turn.abandon()
            unsettled = [name for name, t in new[0].items() if t != templates[name]]
            templates, objects = new
            doubted |= assumed.keys() - turn.distinct.keys()
            assumed = {slot: names for slot, names in turn.distinct.items() if slot not in doubted}
        raise _unsettled(unsettled, c.context.here())

    def _recorded(self, env: Env) -> None:
        """The loop op is made: ``env`` has the names after it."""
        self._turn = None
        self._state = {name: x for name, x in {**self._state, **env}.items() if x is not UNBOUND}
        self.joined = True

    def _stop(self) -> bool | Value:
        """Whether the turn just run ends the loop."""
        if self.site.flag is None or self.site.flag not in self._env:
            return False
        return truth(self._env[self.site.flag])

    # --- unrolled turns that run only if no traced jump has left the loop
    def _guarded(self, c: Control, stop: Value, item: Any) -> Iterator[Any]:
        """One turn, guarded by ``not stop``; afterwards ``self._state`` has the names on either path."""
        arm = self._guard = Arm(c)
        arm.open()
        self.fresh = self.joined = True
        before, self._env = self._state, {}
        yield item
        arm.close()
        self._guard = None
        skip = Arm(c)
        skip.open()
        skip.close()
        names = self.site.names
        values = [[env.get(name, UNBOUND) for name in names] for env in (self._env, before)]
        go = c.context.at().apply(E.not_, stop)
        result = BranchJoin(c, go, (arm, skip)).run(names, *values)
        self._state = self._env = {n: x for n, x in zip(names, result) if x is not UNBOUND}


class _Plain:
    """The driver of a ``for`` over ordinary Python objects that no jump leaves."""

    fresh = watch = joined = split = False

    def __init__(self, items: Iterable[Any]) -> None:
        self._items = items

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items)

    def caught(self, error: Exception) -> bool:
        return False


def for_driver(site: Site, items: Any, env: Env) -> Loop | _Plain:
    """The driver of ``for``."""
    directed = isinstance(items, Unrolled | Checkpointed)
    if site.flag is None and (not is_tracing() or (not directed and staged(items) is None)):
        return _Plain(items)
    return For(site, items, env)


class For(Loop):
    """The driver of ``for``."""

    def __init__(self, site: Site, items: Any, env: Env) -> None:
        super().__init__(site, env)
        self._items = items
        self._schedule = items.schedule if isinstance(items, Checkpointed) else None

    def __iter__(self) -> Iterator[Any]:
        items = self._items
        if not is_tracing():
            yield from self._run(None, iter(items), 1)
            return
        c = control()
        known = staged(items.items if isinstance(items, Unrolled | Checkpointed) else items)
        if known is None:
            yield from self._run(c, iter(items), 1)
            return
        n = known.static_length
        if n is not None and (isinstance(items, Unrolled) or self._is_short(c, n) or "unroll" in self.site.memory):
            yield from self._unrolled(c, known, n)
            return
        self._fixable = n is not None
        yield from self._rolled(c, known)
        if self._failed is not None:
            assert n is not None
            if n > c.options.max_unroll:
                raise _too_long(c, self._failed, n)
            self.site.memory["unroll"] = True
            self.fresh = True
            yield from self._unrolled(c, known, n)

    def _is_short(self, c: Control, n: int) -> bool:
        if n <= 1:
            return True
        if self._schedule is not None:
            return False
        return self.site.innermost and n <= c.options.unroll and n * c.unrolled <= c.options.unroll_nest

    def _unrolled(self, c: Control, items: Staged, n: int) -> Iterator[Any]:
        if n > c.options.max_unroll and not isinstance(self._items, Unrolled):
            raise CaptureError(
                f"this loop of {n} turns would have to be unrolled, and the limit is {c.options.max_unroll}",
                hint="arrays, not Python lists, where the loop variable is an index",
            )
        yield from self._run(c, (items.item(k) for k in range(n)), n)

    def _run(self, c: Control | None, items: Iterator[Any], copies: int) -> Iterator[Any]:
        """Turn after turn, as Python does."""
        if c is not None:
            c.unrolled *= max(copies, 1)
        stop: bool | Value = False
        for item in items:
            if isinstance(stop, bool):
                yield item
                self.fresh = False
                self._state = self._env
            else:
                assert c is not None
                yield from self._guarded(c, stop, item)
            stop = self._stop()
            if stop is True:
                break
        if c is not None:
            c.unrolled //= max(copies, 1)

    # --- recorded
    def _rolled(self, c: Control, items: Staged) -> Iterator[Any]:
        axes = items.axes() if self.site.flag is None else None
        direct = isinstance(items, StagedRange) and (self.site.flag is None or isinstance(items.step, int))
        bounds: list[tuple[Dim, Dim, Dim]]
        if direct:
            assert isinstance(items, StagedRange)
            bounds = [(items.start, items.stop, items.step)]
        else:
            bounds = [(0, n, 1) for n in (axes if axes is not None else (items.length,))]
        origin = Origin("induction", self, f"the loop variable of line {self.site.line}")
        counters: list[Value] = []

        def make(turn: Turn) -> Iterator[Any]:
            turn.outer_blocks = [Block([INDEX]) for _ in bounds[1:]]
            counters[:] = [block.params[0] for block in turn.outer_blocks]
            counters.extend(turn.open(1))
            for counter, (start, stop, step) in zip(counters, bounds):
                if isinstance(step, int) and (dims.nonnegative(start) if step > 0 else dims.ge(stop, -1) is True):
                    c.context.nonnegative.add(counter)
            self._state = {**turn.entry, **turn.start}
            numbers = [ScalarTracer(counter, (PY_INT,), None, origin) for counter in counters]
            yield tuple(numbers) if axes is not None else numbers[0] if direct else items.item(numbers[0])
            self._state = turn.entry

        yield from self._record(c, make)
        if self._turn is None:
            return
        stop = False if self._turn.body.raised else self._stop()
        length = items.length
        always = isinstance(length, int) and length >= 1
        b = c.context.at()
        leave: Value | None = None
        following: Value | None = None
        if stop is not False:
            leave = b.const(not stop, BOOL) if isinstance(stop, bool) else b.apply(E.not_, stop)
            following = b.apply(E.add, counters[0], b.index(bounds[0][2]))
        maker = LoopMaker(self._turn, self._env, always)
        maker.collect()
        maker.drop_unused(leave, following)
        maker.drop_invariants()
        if leave is None:
            if len(bounds) == 1:
                start, end, step = bounds[0]
                maker.close_forms(counters[0], lambda: _last(start, end, step, length), lambda: dims.ge(length, 1))
            maker.make_for(bounds, self._turn.outer_blocks, self._schedule)
        else:
            if self._schedule is not None:
                raise CaptureError("a loop that may end early (break, return) cannot be computed again in parts")
            start, end, step = bounds[0]
            assert isinstance(step, int) and following is not None
            first = [Carried([counters[0]], b.index(start), following), Carried([], b.const(True, BOOL), leave)]
            first[1].params.append(self._turn.body.block.add_param(leave.type))

            def condition(params: list[Value]) -> Value:
                counter, go = params
                primitive = E.lt if step > 0 else E.gt
                return b.apply(E.and_, b.apply(primitive, counter, b.index(end)), go)

            maker.make_while(condition, first)
        self._recorded(maker.settle())


def _last(start: Dim, stop: Dim, step: Dim, length: Dim) -> Dim:
    """The last item of a range that is not empty."""
    if step == 1:
        return dims.sub(stop, 1)
    return dims.add(start, dims.mul(dims.sub(length, 1), step))


class While(Loop):
    """The driver of ``while``."""

    def __init__(self, site: Site, env: Env) -> None:
        super().__init__(site, env)
        self._trial: list[Arm] = []  # turns that run as in Python, as long as they may have to be undone
        self._tested: bool | Value | None = None
        self._effects = "effects" in site.memory  # computing the condition changes something

    def caught(self, error: Exception) -> bool:
        turn = self._turn
        if turn is not None and len(turn.arms) == 1 and self._tested is None and not self._fixes(error):
            turn.abandon()  # computing the condition raises: so does the loop
            self._turn = None
            return False
        if self._trial:
            for arm in reversed(self._trial):
                arm.splice()
            self._trial.clear()
            return False
        return super().caught(error)

    def test(self, value: Any) -> bool:
        """The rewritten code has computed the condition: whether to run the body."""
        tested = self._tested = truth(value)
        turn = self._turn
        if turn is None:
            return tested is True
        if tested is False:
            return False
        if self._effects:
            if not isinstance(tested, bool):
                self._guard = Arm(turn.c)
                self._guard.open()
            return True
        test = turn.body
        test.look()
        if test.arrays or test.objects:
            self._effects = self._restart = True
            self.site.memory["effects"] = True
            return False
        turn.close()
        turn.open()
        self._state = {**turn.entry, **turn.start}
        self.split = True
        return True

    def __iter__(self) -> Iterator[int]:
        if not is_tracing():
            self._tested = True
            while self._tested is True:
                yield 0
                self.fresh = False
                if self._stop() is True:
                    return
            return
        c = control()
        if "record" not in self.site.memory:
            yield from self._try(c)
            if self.site.memory.get("record") is None:
                return
        yield from self._rolled(c)
        if self._failed is not None:
            del self.site.memory["record"]
            yield from self._unrolled(c, self._failed)

    def _try(self, c: Control) -> Iterator[int]:
        """Run as Python would; if that does not do, go back to where recording starts and say so in ``site.memory``."""
        entry = self._state
        whole = Arm(c)
        whole.open()
        turns = 0
        while True:
            one = Arm(c)
            one.open()
            self._trial[:] = [whole, one]
            self._env = {}
            yield 0
            self._trial.clear()
            self.fresh = False
            stop = self._stop() if self._tested is True else False
            if self._tested is False or (isinstance(stop, bool) and self._tested is True):
                one.splice()
                if self._tested is False or stop is True:
                    whole.splice()
                    return
                self._state = self._env
                turns += 1
                whole.look()
                if turns <= c.options.unroll or not (whole.block.ops or whole.arrays or whole.objects):
                    continue
                whole.abandon()
                self._state = entry
                self._fixable = True
            else:
                one.abandon()
                whole.splice()
                self._fixable = self._tested is True
            self.site.memory["record"] = True
            return

    def _rolled(self, c: Control) -> Iterator[int]:
        def make(turn: Turn) -> Iterator[int]:
            turn.open()
            self._state = {**turn.entry, **turn.start}
            self._tested = None
            self.split = False
            yield 0
            if self._guard is not None:
                self._join_guarded(turn)
            self._state = turn.entry

        yield from self._record(c, make)
        turn = self._turn
        if turn is None:
            return
        if self._tested is False:  # as it turns out, there is no turn
            turn.abandon()
            self._turn = None
            del self.site.memory["record"]
            self.fresh = True
            yield from self._try(c)
            return
        self._finish(c, turn)

    def _join_guarded(self, turn: Turn) -> None:
        """A turn whose condition has effects: they happen, then the body, if the condition holds."""
        arm, self._guard = self._guard, None
        assert arm is not None and isinstance(self._tested, Value)
        arm.close()
        skip = Arm(turn.c)
        skip.open()
        skip.close()
        names = self.site.names
        values = [[env.get(name, UNBOUND) for name in names] for env in (self._env, self._state)]
        result = BranchJoin(turn.c, self._tested, (arm, skip)).run(names, *values)
        self._env = {n: x for n, x in zip(names, result) if x is not UNBOUND}

    def _finish(self, c: Control, turn: Turn) -> None:
        """Make the op of the recorded turn, whose body is still open."""
        tested = self._tested
        b = c.context.at()
        stop = False if turn.body.raised else self._stop()
        go: Value | None = None
        if stop is not False:
            go = b.const(False, BOOL) if isinstance(stop, bool) else b.apply(E.not_, stop)
        if self._effects:
            again = tested if isinstance(tested, Value) else b.const(True, BOOL)
            go = again if go is None else b.apply(E.and_, again, go)
        always = self._effects or tested is True
        maker = LoopMaker(turn, self._env, always)
        maker.collect()
        maker.drop_unused(go)
        maker.drop_invariants()
        first: list[Carried] = []
        if go is not None:
            params = [block.add_param(PREDICATE) for block in maker.blocks]
            first.append(Carried(params, b.const(True, BOOL), go))

        def condition(given: list[Value]) -> Value:
            test = tested if isinstance(tested, Value) and not self._effects else None
            if given:
                return flagged_condition(c, given[0], maker.blocks[0], test)
            return test if test is not None else b.const(True, BOOL)

        maker.make_while(condition, first)
        self._recorded(maker.settle())

    def _unrolled(self, c: Control, failed: Exception) -> Iterator[int]:
        """Turn after turn, as Python does, after recording has failed."""
        stop: bool | Value = False
        self.fresh = True
        for _ in range(c.options.max_unroll + 1):
            if isinstance(stop, bool):
                self._env = {}
                yield 0
                self.fresh = False
                if self._tested is True:
                    self._state = self._env
            else:
                yield from self._guarded(c, stop, 0)
            if self._tested is False:
                return
            if self._tested is not True:
                raise failed
            stop = self._stop()
            if stop is True:
                return
        raise _too_long(c, failed, c.options.max_unroll)


def depends_on(x: Any, blocks: list[Block]) -> bool:
    """Whether a traced value is computed from parameters of one of ``blocks``."""
    if isinstance(x, ScalarTracer):
        stack = [v for v in (x.value, x.selector) if v is not None]
    elif isinstance(x, ArrayTracer):
        stack = [r._value for r in (getattr(x.root, "roots", None) or [x.root])]
    else:
        return False
    seen: set[Value] = set()
    while stack:
        value = stack.pop()
        if value in seen:
            continue
        seen.add(value)
        if any(value.owner is block for block in blocks):
            return True
        op = value.op
        if op is not None:
            for inner in op.walk():
                stack.extend(inner.operands)
        stack.extend(d for d in value.shape if isinstance(d, Value))
    return False


def _unsettled(names: Sequence[str], here: Loc) -> CaptureError:
    places = [place for name in names for place in related(here, name, ("here",))]
    what = " and ".join(map(repr, names)) or "what this loop changes"
    return CaptureError(
        f"{what} {'has' if len(names) < 2 else 'have'} another type or structure after every turn of this loop, whose "
        "number of turns is known only at run time",
        hint="something that stays alike from turn to turn, such as an array of fixed size",
        loc=here,
        related=places,
    )


def _too_long(c: Control, error: Exception, n: int) -> CaptureError:
    loc = traceback_loc(error.__traceback__, lambda frame: c.context.is_user_code(frame.f_code))
    reason = error.message if isinstance(error, CaptureError) else str(error)
    return CaptureError(
        f"{reason}; so a loop of {n} turns or more would have to be unrolled, and the limit is {c.options.max_unroll}",
        hint="an array where the loop indexes a Python list or dict; or raise the setting TRACEJIT_MAX_UNROLL",
        loc=loc,
    )
