"""What the rewriting needs to know about names: scopes, liveness and definite assignment.

It runs on functions without jumps (see :mod:`tracejit.trace.exits`), so one pass up (which names a statement reads
first and which it surely assigns) and one pass down (what is read later) are exact enough, without a fixpoint.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Sequence

from tracejit.record import field, record
from tracejit.trace.syntax import (
    COMPREHENSIONS,
    FUNCTIONS,
    SCOPES,
    VALUE,
    ForLoop,
    Visitor,
    WhileLoop,
    blocks,
    children,
    is_true,
    target_names,
    walk,
)

Names = frozenset[str]
_NONE: Names = frozenset()
_BINDING = (ast.NamedExpr, ast.FunctionDef, ast.ClassDef, ast.alias, ast.MatchAs, ast.MatchStar, ast.MatchMapping)
_DYNAMIC = {"locals", "vars", "dir", "eval", "exec"}  # they may read any local


# --- scopes
# --------------------------------------------------------------------------------------------------------------


@record
class Scope:
    """The names of one function.

    Attributes:
        params: Its parameters.
        local: Names bound in it, parameters included.
        nonlocals: Names it declares ``nonlocal``.
        globals: Names it declares ``global``.
        captured: Local names that nested functions use: they may be read at any time.
    """

    params: Names
    local: Names
    nonlocals: Names
    globals: Names
    captured: Names


def parameters(args: ast.arguments) -> Names:
    every = (*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg)
    return frozenset(a.arg for a in every if a is not None)


def scope_of(node: ast.FunctionDef | ast.Lambda) -> Scope:
    """The scope of a function."""
    params = parameters(node.args)
    statements: Sequence[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else node.body
    bound = _Bound()
    for st in statements:
        bound.visit(st)
    local = (params | bound.names) - bound.globals - bound.nonlocals
    if bound.dynamic:
        captured = local
    else:
        captured = frozenset(n for inner in bound.inner for n in free_names(inner)) & (local | bound.nonlocals)
    return Scope(params, local, frozenset(bound.nonlocals), frozenset(bound.globals), captured)


class _Bound(Visitor):
    """Collects the names bound in one scope, and the functions nested in it."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.globals: set[str] = set()
        self.nonlocals: set[str] = set()
        self.inner: list[ast.AST] = []
        self.dynamic = False

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.dynamic = self.dynamic or node.id in _DYNAMIC
        else:
            self.names.add(node.id)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.names.add(node.name)
        self.inner.append(node)
        for e in outside(node):
            self.visit(e)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self.inner.append(node)
        for e in outside(node):
            self.visit(e)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.names.add(node.name)
        self.inner.append(node)
        for e in outside(node):
            self.visit(e)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> None:
        self.inner.append(node)  # it runs later
        self.visit_ListComp(node)

    def visit_ListComp(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        for inner in walk(node):  # only := binds outside of a comprehension
            if isinstance(inner, ast.NamedExpr):
                self.names.add(inner.target.id)
            elif isinstance(inner, ast.Lambda):
                self.inner.append(inner)
            elif isinstance(inner, ast.Name) and inner.id in _DYNAMIC:
                self.dynamic = True

    visit_SetComp = visit_ListComp
    visit_DictComp = visit_ListComp

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name is not None:
            self.names.add(node.name)
        self.generic_visit(node)

    def visit_alias(self, node: ast.alias) -> None:
        self.names.add(node.asname or node.name.partition(".")[0])

    def visit_MatchAs(self, node: ast.MatchAs | ast.MatchStar | ast.MatchMapping) -> None:
        self.names.update(target_names(node))
        self.generic_visit(node)

    visit_MatchStar = visit_MatchAs
    visit_MatchMapping = visit_MatchAs

    def visit_Global(self, node: ast.Global) -> None:
        self.globals.update(node.names)

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        self.nonlocals.update(node.names)


def outside(node: ast.AST) -> Iterator[ast.expr]:
    """The expressions of a nested function or class that the enclosing scope evaluates."""
    if isinstance(node, ast.ClassDef):
        yield from (*node.decorator_list, *node.bases, *(k.value for k in node.keywords))
        return
    assert isinstance(node, (*FUNCTIONS, ast.Lambda))
    if not isinstance(node, ast.Lambda):
        yield from node.decorator_list
    yield from node.args.defaults
    yield from (d for d in node.args.kw_defaults if d is not None)


def free_names(node: ast.AST) -> Names:
    """The names that a nested function, class or comprehension takes from around it (or from the globals)."""
    if isinstance(node, COMPREHENSIONS):
        bound: Names = frozenset(n for g in node.generators for n in target_names(g.target))
        inside: Iterable[ast.AST] = children(node)
        return frozenset(_used(inside)) - bound
    if isinstance(node, ast.ClassDef):
        return frozenset(_used(node.body))
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    scope = scope_of(node)  # type: ignore[arg-type]
    inside = [node.body] if isinstance(node, ast.Lambda) else node.body
    return (frozenset(_used(inside)) | scope.nonlocals) - scope.local - scope.globals


def _used(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Every name that occurs in ``nodes``; nested functions contribute what they take from around them."""
    for node in nodes:
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, (*SCOPES, *COMPREHENSIONS)):
            yield from free_names(node)
            if not isinstance(node, COMPREHENSIONS):
                yield from _used(outside(node))
            if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
                yield node.name
        else:
            yield from _used(children(node))


# --- liveness and definite assignment
# ----------------------------------------------------------------------------------


@record(frozen=True)
class Effects:
    """What a statement does with names: those it may read before assigning them, those it surely assigns, those it
    may assign."""

    reads: Names
    assigns: Names
    may_assign: Names


@record
class BranchInfo:
    """An ``if``.

    Attributes:
        restored: The names to put back before another arm runs.
        joined: The names whose values are joined after it.
        bound: The names that surely have a value before it.
        bound_after: The names that surely have a value after it.
    """

    restored: Names = _NONE
    joined: Names = _NONE
    bound: Names = _NONE
    bound_after: Names = _NONE


@record
class LoopInfo:
    """A loop.

    Attributes:
        carried: The names that a turn assigns and a later turn may read.
        joined: The names that a turn assigns and that are read after the loop.
        bound: The names that surely have a value before it.
        bound_after: The names that surely have a value after it.
    """

    carried: Names = _NONE
    joined: Names = _NONE
    bound: Names = _NONE
    bound_after: Names = _NONE


@record
class Flow:
    """The analysis of one function body.

    Attributes:
        branches: Per ``ast.If``.
        loops: Per loop.
        unbound_loads: The ``ast.Name`` nodes (loads of locals) that may find no value.
        unbound_free: The same in comprehensions that are functions of their own, as generators are.
        unbound_updates: The statements ``name += ...`` that may find no value.
    """

    scope: Scope
    branches: dict[ast.If, BranchInfo] = field(default_factory=dict)
    loops: dict[ast.stmt, LoopInfo] = field(default_factory=dict)
    unbound_loads: set[ast.Name] = field(default_factory=set)
    unbound_free: set[ast.Name] = field(default_factory=set)
    unbound_updates: set[ast.AugAssign] = field(default_factory=set)
    _effects: dict[ast.stmt, Effects] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._names = self.scope.local | self.scope.nonlocals

    # --- one statement
    def effects(self, st: ast.stmt) -> Effects:
        known = self._effects.get(st)
        if known is None:
            known = self._effects[st] = self._compute(st)
        return known

    def _compute(self, st: ast.stmt) -> Effects:
        match st:
            case ast.If():
                a, b = self.sequence(st.body), self.sequence(st.orelse)
                test = self.reads(st.test)
                if _never_completes(st.body):
                    assigns = b.assigns
                elif _never_completes(st.orelse):
                    assigns = a.assigns
                else:
                    assigns = a.assigns & b.assigns
                return self._with_walrus(
                    st.test, Effects(test | a.reads | b.reads, assigns, a.may_assign | b.may_assign)
                )
            case ast.While():
                body = self.sequence(st.body)
                assigns = body.assigns if is_true(st.test) else _NONE
                return self._with_walrus(st.test, Effects(self.reads(st.test) | body.reads, assigns, body.may_assign))
            case ast.For():
                body = self.sequence(st.body)
                targets = self._stored(st.target)
                reads = self.reads(st.iter) | self.reads(st.target) | (body.reads - targets)
                return self._with_walrus(st.iter, Effects(reads, _NONE, body.may_assign | targets))
            case ast.With() | ast.Try() | ast.Match():
                read: set[str] = set()
                may: set[str] = set()
                for part in _header(st):
                    read |= self.reads(part)
                    may |= self._stored(part)
                for handler in getattr(st, "handlers", ()):
                    may |= {handler.name} if handler.name else set()
                for inner in blocks(st):
                    e = self.sequence(inner)
                    read |= e.reads
                    may |= e.may_assign
                return Effects(frozenset(read), _NONE, frozenset(may) & self._names)
            case ast.FunctionDef() | ast.ClassDef():
                reads = frozenset(n for e in outside(st) for n in self.reads(e))
                if isinstance(st, ast.ClassDef):  # its body runs here
                    reads |= free_names(st) & self._names
                return Effects(reads, frozenset({st.name}) & self._names, frozenset({st.name}) & self._names)
        reads = self.reads(st)
        stored = self._stored(st)
        sure = stored
        if isinstance(st, ast.AugAssign) and isinstance(st.target, ast.Name):
            reads |= {st.target.id} & self._names
        elif isinstance(st, ast.Delete):
            reads |= stored
        elif isinstance(st, ast.Assign | ast.Expr | ast.Return):
            sure = frozenset(n for t in getattr(st, "targets", ()) for n in target_names(t)) & self._names
        return Effects(reads, sure, stored)

    def _with_walrus(self, test: ast.expr, e: Effects) -> Effects:
        extra = self._stored(test)
        return Effects(e.reads, e.assigns, e.may_assign | extra) if extra else e

    def sequence(self, statements: Sequence[ast.stmt]) -> Effects:
        reads: Names = _NONE
        assigns: Names = _NONE
        may: Names = _NONE
        for st in statements:
            e = self.effects(st)
            reads |= e.reads - assigns
            assigns |= e.assigns
            may |= e.may_assign
        return Effects(reads, assigns, may)

    def reads(self, node: ast.AST) -> Names:
        """The local names that evaluating ``node`` may read (nested functions read later: they are not counted)."""
        found: set[str] = set()
        stack = [node]
        while stack:
            n = stack.pop()
            if isinstance(n, ast.Name):
                if isinstance(n.ctx, ast.Load):
                    found.add(n.id)
            elif isinstance(n, COMPREHENSIONS):
                found |= free_names(n)
            elif isinstance(n, SCOPES):
                stack.extend(outside(n))
            else:
                stack.extend(children(n))
        return frozenset(found) & self._names

    def _stored(self, node: ast.AST) -> Names:
        if not any(
            isinstance(n, _BINDING) or (isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)) for n in walk(node)
        ):
            return _NONE
        bound = _Bound()
        bound.visit(node)
        return frozenset(bound.names) & self._names

    # --- the whole function
    def run(self, statements: Sequence[ast.stmt]) -> None:
        self.backward(statements, self.scope.captured)
        self.forward(statements, self.scope.params | self.scope.nonlocals)

    def backward(self, statements: Sequence[ast.stmt], after: Names) -> Names:
        """Find out what each branch and loop must hand over; returns the names live before ``statements``."""
        live = after
        for st in reversed(statements):
            self._hand_over(st, live)
            e = self.effects(st)
            live = e.reads | (live - (e.assigns - self.scope.captured))
        return live

    def _hand_over(self, st: ast.stmt, after: Names) -> None:
        match st:
            case ast.If():
                before = self.backward(st.body, after) | self.backward(st.orelse, after)
                may = self.effects(st).may_assign
                self.branches[st] = BranchInfo(may & before, may & after)
            case ForLoop() | WhileLoop():
                body = self.sequence(st.body)
                may = self.effects(st).may_assign
                if isinstance(st, ForLoop):
                    targets = self._stored(st.target)
                    carried = (body.reads - targets) | (after - body.assigns - targets)
                else:
                    carried = body.reads | self.reads(st.test) | (after - body.assigns)
                carried = (carried | self.scope.captured) - {VALUE}
                self.backward(st.body, carried | after | ({st.flag} if st.flag else _NONE))
                self.loops[st] = LoopInfo(may & carried, may & after)
            case ast.With() | ast.Match():
                for inner in blocks(st):
                    self.backward(inner, after)
            case ast.Try():
                inside = after | self.effects(st).reads
                for inner in blocks(st):
                    self.backward(inner, inside)

    def forward(self, statements: Sequence[ast.stmt], bound: Names) -> Names:
        """Find the names that may be unbound where they are read; returns those surely bound after ``statements``."""
        for st in statements:
            bound = self._bind(st, bound)
        return bound

    def _bind(self, st: ast.stmt, bound: Names) -> Names:
        match st:
            case ast.If():
                self._loads(st.test, bound)
                bound |= self._sure_walrus(st.test)
                info = self.branches[st]
                info.bound = bound
                a, b = self.forward(st.body, bound), self.forward(st.orelse, bound)
                if _never_completes(st.body):
                    after = b
                elif _never_completes(st.orelse):
                    after = a
                else:
                    after = a & b
                info.bound_after = after
                return after
            case ast.For() | ast.While():
                deleted = frozenset(n for inner in walk(st) if isinstance(inner, ast.Delete) for n in _deleted(inner))
                bound -= deleted
                loop = self.loops[st]
                loop.bound = bound
                if isinstance(st, ast.For):
                    self._loads(st.iter, bound)
                    self._loads(st.target, bound)
                    self.forward(st.body, bound | self._stored(st.target))
                    after = bound
                else:
                    self._loads(st.test, bound)
                    inside = self.forward(st.body, bound)
                    after = inside if is_true(st.test) else bound
                loop.bound_after = after
                return after
            case ast.With() | ast.Match() | ast.Try():
                for part in _header(st):
                    self._loads(part, bound)
                if isinstance(st, ast.With):
                    bound |= frozenset(n for i in st.items if i.optional_vars for n in target_names(i.optional_vars))
                    return self.forward(st.body, bound)
                for inner in blocks(st):
                    self.forward(inner, bound)
                return bound
            case ast.Delete():
                self._loads(st, bound)
                return bound - _deleted(st)
        self._loads(st, bound)
        if isinstance(st, ast.AugAssign) and isinstance(st.target, ast.Name) and st.target.id not in bound:
            self.unbound_updates.add(st)
        return bound | self.effects(st).assigns

    def _sure_walrus(self, test: ast.expr) -> Names:
        return frozenset({test.target.id}) if isinstance(test, ast.NamedExpr) else _NONE

    def _loads(self, node: ast.AST, bound: Names) -> None:
        unsure = self.scope.local - bound
        if not unsure:
            return
        # each with the names that comprehensions around it bind, and whether one of those is a function of its own
        stack: list[tuple[ast.AST, Names, bool]] = [(node, _NONE, False)]
        while stack:
            n, hidden, inner = stack.pop()
            if isinstance(n, ast.Name):
                if n.id in unsure and n.id not in hidden and isinstance(n.ctx, ast.Load):
                    (self.unbound_free if inner else self.unbound_loads).add(n)
            elif isinstance(n, COMPREHENSIONS):
                first = n.generators[0].iter
                stack.append((first, hidden, inner))
                hidden |= frozenset(name for g in n.generators for name in target_names(g.target))
                inner = inner or isinstance(n, ast.GeneratorExp) or sys.version_info < (3, 12)
                for part in children(n):
                    parts = children(part) if isinstance(part, ast.comprehension) else (part,)
                    stack.extend((p, hidden, inner) for p in parts if p is not first)
            elif isinstance(n, SCOPES):
                stack.extend((part, hidden, inner) for part in outside(n))
            else:
                stack.extend((part, hidden, inner) for part in children(n))


def _header(st: ast.stmt) -> Iterator[ast.AST]:
    """The parts of a compound statement that are no statements."""
    match st:
        case ast.With():
            yield from st.items
        case ast.Try():
            yield from (h.type for h in st.handlers if h.type is not None)
        case ast.Match():
            yield st.subject
            for case in st.cases:
                yield case.pattern
                if case.guard is not None:
                    yield case.guard


def _deleted(st: ast.Delete) -> Names:
    return frozenset(t.id for t in st.targets if isinstance(t, ast.Name))


def _never_completes(statements: Sequence[ast.stmt]) -> bool:
    return bool(statements) and isinstance(statements[-1], ast.Raise)
