"""Rewriting a function so that running it once records every path.

The passes, in order: desugar, take out jumps (:mod:`exits`), analyse names (:mod:`flow`), then this module:
statements that choose or repeat become ``for`` loops over a *driver* (:mod:`staging`, :mod:`loops`), in the user's
own frame. With a Python condition a driver gives one turn; with a traced one it gives a turn per arm and puts the
names back in between::

    if test: A            @s1 = @.if_(1, test)
    else: B               for @k in @s1:
                              if @s1.fresh: x, y = @s1.enter(locals())
                              try:
                                  if @k == 0: A
                                  else: B
                              except Exception as @e:
                                  if not @s1.caught(@e): raise
                              if @s1.watch: @s1.leave(locals())
                          if @s1.joined: x, y = @s1.result()

Everything keeps the line and column it had.
"""

from __future__ import annotations
import __future__

import ast
from collections.abc import Callable, Iterable, Sequence
from types import CodeType, FunctionType
from typing import Any

from tracejit.errors import is_inline
from tracejit.record import field, record
from tracejit.trace.desugar import Desugar
from tracejit.trace.exits import Exits
from tracejit.trace.expressions import Expressions
from tracejit.trace.flow import Flow, LoopInfo, Scope, scope_of
from tracejit.trace.mangle import mangle
from tracejit.trace.outer import OuterStores, own_nodes
from tracejit.trace.source import FunctionSource
from tracejit.trace.syntax import (
    HOOKS,
    SYNCHRONOUS,
    ForLoop,
    WhileLoop,
    assign,
    at,
    copy_tree,
    every_statement,
    hook,
    load,
    same_scope,
    store,
    thunk,
    unsupported,
    walk,
)

_OUTER = "@outer"
_OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**",
    ast.MatMult: "@", ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^", ast.LShift: "<<", ast.RShift: ">>",
}  # fmt: skip


@record
class Site:
    """One branch or loop in the source: what its driver has to know.

    Attributes:
        line: Where it is.
        names: The names that :meth:`enter` puts back and :meth:`leave` looks at.
        carried: Loops: the names a turn may read from the turn before.
        joined: The names that have a joined value afterwards.
        flag: Loops: the local flag that ends it.
        innermost: Loops: there is no loop in it.
        memory: What drivers of earlier traces found out, as a first guess for the next.
    """

    line: int
    names: tuple[str, ...]
    carried: tuple[str, ...]
    joined: tuple[str, ...]
    flag: str | None = None
    innermost: bool = True
    memory: dict[str, Any] = field(default_factory=dict)


@record(frozen=True)
class Rewritten:
    """A rewritten function, before it is bound to the closure and defaults of one function object.

    Attributes:
        make: Takes the hooks and the closure's cells by name, gives the function.
        codes: Its code objects and those nested in it.
        sites: Its drivers.
    """

    code: CodeType
    codes: tuple[CodeType, ...]
    sites: list[Site]

    def make(self, original: FunctionType, hooks: Any) -> FunctionType:
        """The rewritten form of ``original``."""
        code = original.__code__
        cells: dict[str, Any] = dict(zip(code.co_freevars, original.__closure__ or ()))
        cells[HOOKS] = _cell(hooks)
        closure = tuple(cells[name] for name in self.code.co_freevars)
        function = FunctionType(self.code, original.__globals__, original.__name__, original.__defaults__, closure)
        function.__kwdefaults__ = original.__kwdefaults__
        function.__qualname__ = original.__qualname__
        function.__module__ = original.__module__
        function.__doc__ = original.__doc__
        return function


def _cell(value: Any) -> Any:
    return (lambda: value).__closure__[0]  # type: ignore[index]


def rewrite(source: FunctionSource, code: CodeType) -> Rewritten:
    """Rewrite the function that ``code`` was compiled from.

    Raises:
        CaptureError: It uses syntax that is not supported.
    """
    node = copy_tree(source.node)
    if source.class_name is not None:
        mangle(node, source.class_name)
    if isinstance(node, ast.Lambda):
        body = ast.copy_location(ast.Return(node.body), node.body)
        node = ast.copy_location(_function("<lambda>", node.args, [body]), node)
    node.decorator_list = []
    node.returns = None
    node.args.defaults = []
    node.args.kw_defaults = [None] * len(node.args.kwonlyargs)
    if "type_params" in node._fields:  # Python 3.12; what the body uses of them is in the closure
        node.type_params = []  # type: ignore[attr-defined, unused-ignore]
    free = frozenset(code.co_freevars)
    sites: list[Site] = []
    Statements.rewrite(node, source.filename, code.co_qualname, None, free, sites)
    params = [HOOKS, *code.co_freevars]
    outer = _function(_OUTER, ast.arguments([], [ast.arg(p) for p in params], None, [], [], None, []), [node])
    module = ast.Module([at(outer, node)], [])
    flags = code.co_flags & __future__.annotations.compiler_flag
    try:
        compiled = compile(module, source.filename, "exec", flags, dont_inherit=True)
    except SyntaxError as error:
        if "nested blocks" in str(error):
            raise unsupported(
                source.node,
                source.filename,
                "this function nests more loops, branches and 'with' blocks than fit into a function once they are "
                "rewritten",
                "the innermost ones in a function of their own",
                code.co_qualname,
            ) from None
        raise
    inner = _inner(_inner(compiled, _OUTER), node.name)
    inner = _renamed(inner, f"{_OUTER}.<locals>.{node.name}", code.co_qualname, code.co_name)
    return Rewritten(inner, tuple(_nested(inner)), sites)


def _function(name: str, args: ast.arguments, body: list[ast.stmt]) -> ast.FunctionDef:
    node = ast.FunctionDef(name, args, body, [], None, None)
    if "type_params" in node._fields:  # Python 3.12
        node.type_params = []  # type: ignore[attr-defined, unused-ignore]
    return node


def _inner(code: CodeType, name: str) -> CodeType:
    return next(c for c in code.co_consts if isinstance(c, CodeType) and c.co_name == name)


def _nested(code: CodeType) -> Iterable[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


def _renamed(code: CodeType, old: str, new: str, name: str | None = None) -> CodeType:
    """``code`` and the codes in it with the qualified name ``old`` at the front replaced by ``new``.

    Parts of an expression that became functions have the names of the function around them.
    """
    qualname = new + code.co_qualname.removeprefix(old) if code.co_qualname.startswith(old) else code.co_qualname
    name = name or code.co_name
    constants: list[Any] = []
    for c in code.co_consts:
        if isinstance(c, CodeType):
            c = _renamed(c, c.co_qualname, qualname, name) if is_inline(c) else _renamed(c, old, new)
        elif isinstance(c, str) and c.startswith(f"{_OUTER}."):  # what a class statement gives its class as a name
            c = new + c.removeprefix(old)
        constants.append(c)
    return code.replace(co_consts=tuple(constants), co_qualname=qualname, co_name=name)


class Statements(Expressions):
    """Rewrites the statements of one function, given that jumps are gone."""

    flow: Flow

    @staticmethod
    def rewrite(
        node: ast.FunctionDef,
        filename: str,
        function: str,
        parent: Expressions | None,
        free: frozenset[str],
        sites: list[Site],
    ) -> None:
        """Rewrite the body of ``node`` in place."""
        node.body = Desugar(filename, function).body(node.body)
        node.body = Exits(filename, function).body(node.body)
        scope = scope_of(node)
        self = Statements(filename, function, scope, parent, free, sites)
        self._outer_stores(node)
        every = (*node.args.posonlyargs, *node.args.args)
        self.first_param = every[0].arg if every else None
        self.flow = Flow(scope)
        if any(isinstance(st, ast.If | ForLoop | WhileLoop) for st in every_statement(node.body)):
            self.flow.run(node.body)
        self.unbound_loads, self.unbound_free = self.flow.unbound_loads, self.flow.unbound_free
        for arg in (*every, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg):
            if arg is not None:
                arg.annotation = None
        node.body = self.block(node.body) or [at(ast.Pass(), node)]
        outer = [n for n in sorted(scope.nonlocals) if n in _stored(node)]
        if outer:
            place = node.body[0]
            readers = [at(thunk(at(load(n), place)), place) for n in outer]
            first = 1 if _is_docstring(node.body[0]) else 0
            declared = next((k for k, st in enumerate(node.body) if isinstance(st, ast.Nonlocal)), -1) + 1
            node.body.insert(max(first, declared), at(ast.Expr(hook("rebinds", *readers)), place))

    def _outer_stores(self, node: ast.FunctionDef) -> None:
        outer = self.scope.globals | frozenset(n for n in self.scope.nonlocals if self.resolve(n) == "cell")
        if not outer:
            return
        node.body = OuterStores(outer).block(node.body)
        for n in own_nodes(node.body):
            names = [n.name] if isinstance(n, ast.FunctionDef) else [n.id] if isinstance(n, ast.Name) else []
            if any(name in outer for name in names) and not isinstance(getattr(n, "ctx", None), ast.Load):
                self.refuse(
                    n,
                    f"{names[0]!r} is a variable of the code around the compiled function, and those are changed by "
                    "assignments (=, +=) only",
                    f"a local name, and then {names[0]} = ...",
                )

    def block(self, statements: Sequence[ast.stmt]) -> list[ast.stmt]:
        out: list[ast.stmt] = []
        for st in statements:
            method: Callable[[Any], list[ast.stmt] | ast.stmt] = getattr(self, f"do_{type(st).__name__}", self.do_other)
            result = method(st)
            out.extend(result if isinstance(result, list) else [result])
        return out

    # --- drivers
    def _site(
        self, line: int, names: Iterable[str], carried: Iterable[str], joined: Iterable[str], flag: str | None
    ) -> int:
        site = Site(line, tuple(sorted(names)), tuple(sorted(carried)), tuple(sorted(joined)), flag)
        self.sites.append(site)
        return len(self.sites) - 1

    def _loop_site(self, st: ForLoop | WhileLoop, info: LoopInfo) -> int:
        flag = {st.flag} if st.flag is not None else set()
        index = self._site(st.lineno, info.carried | info.joined | flag, info.carried, info.joined, st.flag)
        self.sites[index].innermost = not any(isinstance(s, ForLoop | WhileLoop) for s in every_statement(st.body))
        return index

    def _unpack(self, names: Sequence[str], value: ast.expr, bound: frozenset[str]) -> list[ast.stmt]:
        """``a, b = value``; of the names not in ``bound``, those that get the mark for "no value" are deleted."""
        if not names:
            return []
        out: list[ast.stmt] = [ast.Assign([ast.Tuple([store(n) for n in names], ast.Store())], value)]
        for n in names:
            if n not in bound:
                mark = ast.Attribute(load(HOOKS), "UNBOUND", ast.Load())
                out.append(ast.If(ast.Compare(load(n), [ast.Is()], [mark]), [ast.Delete([ast.Name(n, ast.Del())])], []))
        return out

    def _driver(
        self,
        place: ast.stmt,
        index: int,
        make: ast.expr,
        item: str,
        body: Callable[[str], list[ast.stmt]],
        bound: frozenset[str],
        bound_after: frozenset[str],
        loop: bool = True,
    ) -> list[ast.stmt]:
        """The loop over a driver (see the module's docstring)."""
        site = self.sites[index]
        driver = f"@s{index}"

        def ask(name: str) -> ast.expr:
            return ast.Attribute(load(driver), name, ast.Load())

        def tell(name: str, *args: ast.expr) -> ast.expr:
            return ast.Call(ask(name), list(args), [])

        enter = self._unpack(site.names, tell("enter", *([] if loop else [_locals()])), bound) or [ast.Pass()]
        unhandled = ast.If(ast.UnaryOp(ast.Not(), tell("caught", load("@e"))), [ast.Raise(None, None)], [])
        handler = ast.ExceptHandler(ast.Attribute(load(HOOKS), "Exception", ast.Load()), "@e", [unhandled])
        turns = ast.For(
            store(item),
            load(driver),
            [
                ast.If(ask("fresh"), enter, []),
                ast.Try(body(driver) or [ast.Pass()], [handler], [], []),
                ast.If(ask("watch"), [ast.Expr(tell("leave", _locals()))], []),
            ],
            [],
        )
        result = self._unpack(site.joined, tell("result"), bound_after)
        out: list[ast.stmt] = [assign(driver, make), turns]
        if result:
            out.append(ast.If(ask("joined"), result, []))
        return [at(st, place) for st in out]

    def do_If(self, st: ast.If) -> list[ast.stmt]:
        # an `if` at the end of an else arm belongs to the same driver: Python limits how deep blocks may nest
        steps: list[tuple[list[ast.stmt], ast.If]] = [([], st)]
        while steps[-1][1].orelse and isinstance(steps[-1][1].orelse[-1], ast.If):
            *before, last = steps[-1][1].orelse
            assert isinstance(last, ast.If)
            steps.append((before, last))
        infos = [self.flow.branches[node] for _, node in steps]
        names = frozenset().union(*(i.restored | i.joined for i in infos))
        first = infos[0]
        index = self._site(st.lineno, names, (), first.joined, None)

        def body(driver: str) -> list[ast.stmt]:
            arms: list[list[ast.stmt]] = []
            for k, (before, node) in enumerate(steps):
                if k:
                    test = ast.Call(ast.Attribute(load(driver), "test", ast.Load()), [self.test(node.test)], [])
                    arms.append([*self.block(before), at(ast.Expr(test), node.test)])
                arms.append(self.block(node.body))
            arms.append(self.block(steps[-1][1].orelse))
            chain: list[ast.stmt] = arms[-1]
            for k in range(len(arms) - 2, -1, -1):
                test_k = ast.Compare(load("@k"), [ast.Eq()], [ast.Constant(k)])
                chain = [ast.If(test_k, arms[k] or [ast.Pass()], chain)]
            return chain

        make = hook("if_", ast.Constant(index), self.test(st.test), ast.Constant(len(steps)))
        return self._driver(st, index, at(make, st.test), "@k", body, first.bound, first.bound_after, loop=False)

    def do_WhileLoop(self, st: WhileLoop) -> list[ast.stmt]:
        info = self.flow.loops[st]
        index = self._loop_site(st, info)
        site = self.sites[index]

        def body(driver: str) -> list[ast.stmt]:
            test = at(self.test(st.test), st.test)
            ask = at(ast.Call(ast.Attribute(load(driver), "test", ast.Load()), [test], []), st.test)
            again = ast.Call(ast.Attribute(load(driver), "again", ast.Load()), [], [])
            split = ast.Attribute(load(driver), "split", ast.Load())
            unpack: list[ast.stmt] = self._unpack(site.names, again, info.bound) or [ast.Pass()]
            return [ast.If(ask, [ast.If(split, unpack, []), *self.block(st.body)], [])]

        make = hook("while_", ast.Constant(index), _locals())
        return self._driver(st, index, make, "@k", body, info.bound, info.bound_after)

    def do_ForLoop(self, st: ForLoop) -> list[ast.stmt]:
        info = self.flow.loops[st]
        index = self._loop_site(st, info)
        make = hook("for_", ast.Constant(index), self.expression(st.iter), _locals())
        item = f"@i{index}"

        def body(driver: str) -> list[ast.stmt]:
            bind = at(ast.Assign([st.target], load(item)), st.target)
            return [*self.block([bind]), *self.block(st.body)]

        return self._driver(st, index, at(make, st.iter), item, body, info.bound, info.bound_after)

    # --- assignment
    def do_Assign(self, st: ast.Assign) -> list[ast.stmt]:
        value = self.expression(st.value)
        if all(isinstance(t, ast.Name) for t in st.targets) or (len(st.targets) == 1 and _plain(st.targets[0])):
            if isinstance(st.targets[0], ast.Tuple | ast.List) and not isinstance(st.value, ast.Tuple | ast.List):
                value = at(hook("unpack", value), value)
            st.value = value
            return [st]
        if len(st.targets) == 1:
            return [at(s, st) for s in self._assign(st.targets[0], value)]
        name = f"@v{st.lineno}"
        out: list[ast.stmt] = [assign(name, value)]
        for target in st.targets:
            out.extend(self._assign(target, load(name)))
        return [at(s, st) for s in out]

    def _assign(self, target: ast.expr, value: ast.expr) -> list[ast.stmt]:
        match target:
            case ast.Subscript():
                args = (value, self.expression(target.value), self.key(target.slice))
                return [at(ast.Expr(hook("setitem", *args)), target)]
            case ast.Attribute():
                args = (value, self.expression(target.value), ast.Constant(target.attr))
                return [at(ast.Expr(hook("setattr", *args)), target)]
            case ast.Tuple() | ast.List() if not _plain(target):
                later: list[ast.stmt] = []
                parts: list[ast.expr] = []
                for k, part in enumerate(target.elts):
                    starred = isinstance(part, ast.Starred)
                    inner = part.value if isinstance(part, ast.Starred) else part
                    if not isinstance(inner, ast.Name):
                        name = f"@u{target.lineno}.{target.col_offset}.{target.end_col_offset}.{k}"
                        later.extend(self._assign(inner, load(name)))
                        inner = store(name)
                    parts.append(ast.Starred(inner, ast.Store()) if starred else inner)
                whole = ast.Assign([ast.Tuple(parts, ast.Store())], value)
                return [at(whole, target), *later]
        return [at(ast.Assign([target], value), target)]

    def do_AugAssign(self, st: ast.AugAssign) -> list[ast.stmt]:
        operator = ast.Constant(_OPERATORS[type(st.op)])
        target = st.target
        if isinstance(target, ast.Name):
            old = at(load(target.id), target)
            if st in self.flow.unbound_updates:
                self.unbound_loads.add(old)
            value = hook("inplace", operator, self.visit_Name(old), self.expression(st.value))
            return [at(ast.Assign([target], value), st)]
        o, k, v = f"@o{st.lineno}", f"@k{st.lineno}", f"@v{st.lineno}"
        out: list[ast.stmt] = [assign(o, self.expression(target.value))]
        new = hook("inplace", operator, load(v), self.expression(st.value))
        if isinstance(target, ast.Subscript):
            out.append(assign(k, self.key(target.slice)))
            out.append(assign(v, hook("item", load(o), load(k))))
            out.append(ast.Expr(hook("store_back", new, load(v), load(o), load(k))))
        else:
            out.append(assign(v, hook("attr", load(o), ast.Constant(target.attr))))
            out.append(ast.Expr(hook("setattr", new, load(o), ast.Constant(target.attr))))
        return [at(s, st) for s in out]

    def do_Delete(self, st: ast.Delete) -> list[ast.stmt]:
        out: list[ast.stmt] = []
        for target in st.targets:
            match target:
                case ast.Subscript():
                    out.append(ast.Expr(hook("delitem", self.expression(target.value), self.key(target.slice))))
                case ast.Attribute():
                    out.append(ast.Expr(hook("delattr", self.expression(target.value), ast.Constant(target.attr))))
                case ast.Tuple() | ast.List():
                    out.extend(self.do_Delete(ast.copy_location(ast.Delete(target.elts), st)))
                case _:
                    out.append(ast.Delete([target]))
        return [at(s, st) for s in out]

    # --- the rest
    def do_Expr(self, st: ast.Expr) -> ast.stmt:
        if not isinstance(st.value, ast.Constant):
            st.value = self.expression(st.value)
        return st

    def do_Return(self, st: ast.Return) -> ast.stmt:
        if st.value is not None:
            st.value = self.expression(st.value)
        return st

    def do_Raise(self, st: ast.Raise) -> ast.stmt:
        st.exc = None if st.exc is None else self.expression(st.exc)
        st.cause = None if st.cause is None else self.expression(st.cause)
        return st

    def do_With(self, st: ast.With) -> ast.stmt:
        for item in st.items:
            item.context_expr = at(hook("context", self.expression(item.context_expr)), item.context_expr)
            if item.optional_vars is not None and not _plain(item.optional_vars):
                self.refuse(
                    item.optional_vars,
                    "'with ... as' a part of an object is not supported",
                    "a name, and then the assignment",
                )
        st.body = self.block(st.body)
        return st

    def do_Try(self, st: ast.Try) -> list[ast.stmt]:
        token = f"@y{st.lineno}.{st.col_offset}"
        types: list[ast.expr] = []
        for handler in st.handlers:
            kind = ast.Constant(None) if handler.type is None else self.expression(handler.type)
            types.append(at(kind, handler))
            first = at(ast.Expr(hook("handling", load(token))), handler)
            handler.body = [first, *self.block(handler.body)]
        enter = hook("try_", ast.Constant(bool(st.finalbody)), *map(copy_tree, types))
        done = at(ast.Expr(hook("tried", load(token))), st)
        st.body = [*self.block(st.body), done]
        st.orelse, st.finalbody = self.block(st.orelse), self.block(st.finalbody)
        return [at(assign(token, enter), st), st]

    def do_Match(self, st: ast.Match) -> ast.stmt:
        st.subject = self.expression(st.subject)
        for case in st.cases:
            if case.guard is not None:
                case.guard = self.test(case.guard)
            case.body = self.block(case.body)
        return st

    def do_FunctionDef(self, st: ast.FunctionDef) -> ast.stmt:
        st.decorator_list = [self.expression(d) for d in st.decorator_list]
        st.args.defaults = [self.expression(d) for d in st.args.defaults]
        st.args.kw_defaults = [d if d is None else self.expression(d) for d in st.args.kw_defaults]
        st.returns = None
        name = f"{self.function}.<locals>.{st.name}"
        Statements.rewrite(st, self.filename, name, self, self.free, self.sites)
        return st

    def do_ClassDef(self, st: ast.ClassDef) -> ast.stmt:
        for inner in st.body:
            if isinstance(inner, ast.FunctionDef):
                mangle(inner, st.name)
                name = f"{self.function}.<locals>.{st.name}.{inner.name}"
                scope = Scope(frozenset(), frozenset({"__class__"}), frozenset(), frozenset(), frozenset())
                around = Expressions(self.filename, name, scope, self, self.free, self.sites)
                Statements.rewrite(inner, self.filename, name, around, self.free, self.sites)
        return st

    def do_other(self, st: ast.stmt) -> ast.stmt:
        match st:
            case ast.AsyncFor() | ast.AsyncWith() | ast.AsyncFunctionDef():
                self.refuse(st, "'async' is not supported in compiled code", SYNCHRONOUS)
            case ast.TryStar():
                self.refuse(
                    st,
                    "'except*' is not supported in compiled code",
                    "the 'try' around the call of the compiled function",
                )
        return st


def _stored(node: ast.FunctionDef) -> set[str]:
    """The names that a function (without those nested in it) assigns."""
    return {n.id for n in same_scope(node.body) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store | ast.Del)}


def _is_docstring(st: ast.stmt) -> bool:
    return isinstance(st, ast.Expr) and isinstance(st.value, ast.Constant)


def _locals() -> ast.expr:
    """The frame's locals, now."""
    return ast.Call(ast.Attribute(load(HOOKS), "locals", ast.Load()), [], [])


def _plain(target: ast.expr) -> bool:
    """Whether an assignment target consists of names alone."""
    return not any(isinstance(n, ast.Subscript | ast.Attribute) for n in walk(target))
