"""Third rewriting pass, expressions: what Python decides by itself becomes a call of a hook, which can also record it.

A hook gets what the Python operation would get, and does just that unless something traced is involved. Parts that may
not be evaluated (``b`` in ``a and b``) are passed as lambdas.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn, TypeVar

from tracejit.trace.flow import Scope, scope_of
from tracejit.trace.syntax import (
    COMPREHENSIONS,
    SYNCHRONOUS,
    Visitor,
    at,
    hook,
    load,
    place_of_attribute,
    target_names,
    thunk,
    unsupported,
    walk,
)

if TYPE_CHECKING:
    from tracejit.trace.rewrite import Site

E = TypeVar("E", bound=ast.expr)

_FRAME_SENSITIVE = {"locals", "globals", "vars", "dir", "eval", "exec"}
_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Is: "is",
    ast.IsNot: "is not",
    ast.In: "in",
    ast.NotIn: "not in",
}
_HOOKED = {ast.Eq: "eq", ast.NotEq: "ne", ast.Is: "is_", ast.IsNot: "is_not", ast.In: "in_", ast.NotIn: "not_in"}


class Expressions(Visitor, ast.NodeTransformer):
    """Rewrites expressions of one function.

    Args:
        filename: Of the source, for errors.
        function: Qualified name, for errors.
        scope: The function's names.
        parent: The rewriting of the function around it, if that is rewritten too.
        free: Closure variables of the outermost rewritten function.
        sites: The table of the function's drivers, shared with nested functions.
    """

    def __init__(
        self,
        filename: str,
        function: str,
        scope: Scope,
        parent: Expressions | None,
        free: frozenset[str],
        sites: list[Site],
    ) -> None:
        self.filename = filename
        self.function = function
        self.scope = scope
        self.parent = parent
        self.free = free
        self.sites = sites
        self.unbound_loads: set[ast.Name] = set()
        self.unbound_free: set[ast.Name] = set()
        self.first_param: str | None = None
        self._bound: list[frozenset[str]] = []  # names bound by the comprehensions around

    generic_visit = ast.NodeTransformer.generic_visit

    def expression(self, e: E) -> ast.expr:
        result = self.visit(e)
        assert isinstance(result, ast.expr)
        return result

    def refuse(self, node: ast.AST, what: str, hint: str | None = None) -> NoReturn:
        raise unsupported(node, self.filename, what, hint, self.function)

    # --- names
    def resolve(self, name: str) -> str:
        """Where a name is found: ``"local"`` (here or in a rewritten function around), ``"cell"`` or ``"global"``."""
        if any(name in bound for bound in self._bound):
            return "local"
        place: Expressions | None = self
        while place is not None:
            if name in place.scope.globals:
                return "global"
            if name in place.scope.local or any(name in bound for bound in place._bound):
                return "local"
            place = place.parent
        return "cell" if name in self.free else "global"

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if not isinstance(node.ctx, ast.Load) or "@" in node.id:
            return node
        where = self.resolve(node.id)
        if where == "local":
            if node in self.unbound_loads:
                return at(hook("bound", at(ast.Constant(node.id), node), node), node)
            if node in self.unbound_free:
                return at(hook("free", at(ast.Constant(node.id), node), node), node)
            if node.id not in self.scope.local and not any(node.id in bound for bound in self._bound):
                return at(hook("free", at(ast.Constant(node.id), node), node), node)
            return node
        if where == "cell":
            if node.id == "__class__":
                return node
            return at(hook("cell", at(ast.Constant(node.id), node), node), node)
        return at(hook("glob", ast.Constant(node.id)), node)

    # --- logic
    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        first, *rest = map(self.expression, node.values)
        name = "and_" if isinstance(node.op, ast.And) else "or_"
        return at(hook(name, first, *(at(thunk(v), v) for v in rest)), node)

    def test(self, e: ast.expr) -> ast.expr:
        """``e`` where only its truth matters."""
        match e:
            case ast.BoolOp():
                first, *rest = map(self.test, e.values)
                name = "all_" if isinstance(e.op, ast.And) else "any_"
                return at(hook(name, first, *(at(thunk(v), v) for v in rest)), e)
            case ast.UnaryOp(ast.Not(), operand):
                return at(hook("not_", self.test(operand)), e)
        return self.expression(e)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        if isinstance(node.op, ast.Not):
            return self.test(node)
        node.operand = self.expression(node.operand)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        template = node.left
        node.left, node.right = self.expression(node.left), self.expression(node.right)
        if isinstance(node.op, ast.Mod) and isinstance(template, ast.Constant) and isinstance(template.value, str):
            return at(hook("percent", node.left, node.right), node)
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        test, a, b = self.test(node.test), self.expression(node.body), self.expression(node.orelse)
        return at(hook("choose", test, at(thunk(a), a), at(thunk(b), b)), node)

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        left, *rest = map(self.expression, (node.left, *node.comparators))
        if len(node.ops) == 1:
            name = _HOOKED.get(type(node.ops[0]))
            if name is not None:
                return at(hook(name, left, rest[0]), node)
            node.left, node.comparators = left, rest
            return node
        parts: list[ast.expr] = []
        for k, (op, right) in enumerate(zip(node.ops, rest)):
            parts.append(ast.Constant(_COMPARISONS[type(op)]))
            parts.append(right if k == 0 else at(thunk(right), right))
        return at(hook("chain", left, *parts), node)

    # --- access
    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        place = place_of_attribute(node)
        node.value = self.expression(node.value)
        if isinstance(node.ctx, ast.Load):
            return at(hook("attr", node.value, ast.Constant(node.attr)), place)
        return node

    def key(self, key: ast.expr) -> ast.expr:
        """What is between the brackets, as an expression that can stand anywhere."""
        match key:
            case ast.Slice():
                none = ast.Constant(None)
                parts = [self.expression(p) if p is not None else none for p in (key.lower, key.upper, key.step)]
                return at(hook("slice", *parts), key)
            case ast.Tuple():
                key.elts = [self.key(k) for k in key.elts]
                return key
        return self.expression(key)

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        assert isinstance(node.ctx, ast.Load)
        value = self.expression(node.value)
        return at(hook("item", value, self.key(node.slice)), node)

    # --- calls
    def visit_Call(self, node: ast.Call) -> ast.expr:
        func = node.func
        place: ast.AST = node
        if isinstance(func, ast.Attribute) and func.end_lineno != node.lineno:
            place = place_of_attribute(func)
        if isinstance(func, ast.Name) and self.resolve(func.id) == "global":
            if func.id == "super" and not node.args and not node.keywords:
                if self.first_param is None:
                    self.refuse(
                        node, "super() without arguments needs a function with 'self' around it", "super(Class, self)"
                    )
                node.args = [at(load("__class__"), node), at(load(self.first_param), node)]
                return node
            if func.id in ("locals", "vars", "dir") and not node.args:
                visible = at(hook("visible", at(ast.Call(load("locals"), [], []), node)), node)
                return visible if func.id != "dir" else at(ast.Call(load("sorted"), [visible], []), node)
            if func.id in _FRAME_SENSITIVE:
                node.args = [self.expression(a) for a in node.args]
                return node
        if node.args and isinstance(node.args[0], ast.GeneratorExp | ast.ListComp) and _simple(node.args[0]):
            return self._comprehend(node, node.args[0])
        node.func = self.expression(func)
        arguments = [self.expression(a) for a in node.args]
        for keyword in node.keywords:
            keyword.value = self.expression(keyword.value)
        call = hook("call", node.func, *arguments)
        call.keywords = node.keywords
        return at(call, place)

    def visit_Starred(self, node: ast.Starred) -> ast.expr:
        node.value = at(hook("unpack", self.expression(node.value)), node.value)
        return node

    def _comprehend(self, node: ast.Call, comp: ast.GeneratorExp | ast.ListComp) -> ast.expr:
        """``f(element for target in items if test)``: the parts, so that a hook can record the loop."""
        (generator,) = comp.generators
        func, items = self.expression(node.func), self.expression(generator.iter)
        with self._binding(generator):
            element = self.expression(comp.elt)
            tests = [self.test(t) for t in generator.ifs]
            target = generator.target
        keep: ast.expr = ast.Constant(None)
        if tests:
            test = (
                tests[0] if len(tests) == 1 else at(hook("all_", tests[0], *(at(thunk(t), t) for t in tests[1:])), comp)
            )
            keep = at(_each(target, test), comp)
        each = at(_each(target, element), comp)
        lazy = at(ast.Constant(isinstance(comp, ast.GeneratorExp)), comp)
        arguments = [self.expression(a) for a in node.args[1:]]
        for keyword in node.keywords:
            keyword.value = self.expression(keyword.value)
        call = hook("comprehend", func, items, each, keep, lazy, *arguments)
        call.keywords = node.keywords
        return at(call, node)

    # --- comprehensions, lambdas, displays
    @contextmanager
    def _binding(self, *generators: ast.comprehension) -> Iterator[None]:
        self._bound.append(frozenset(n for g in generators for n in target_names(g.target)))
        try:
            yield
        finally:
            self._bound.pop()

    def _comprehension(self, node: ast.AST) -> ast.expr:
        assert isinstance(node, COMPREHENSIONS)
        for generator in node.generators:
            if generator.is_async:
                self.refuse(node, "'async' is not supported in compiled code", SYNCHRONOUS)
        first = node.generators[0]
        items = self.expression(first.iter)
        with self._binding(*node.generators):
            for k, generator in enumerate(node.generators):
                inner = items if k == 0 else self.expression(generator.iter)
                generator.iter = at(hook("walk", inner), inner)
                generator.ifs = [self.test(t) for t in generator.ifs]
            if isinstance(node, ast.DictComp):
                node.key, node.value = self.expression(node.key), self.expression(node.value)
            else:
                node.elt = self.expression(node.elt)
        return at(hook("new", node), node)

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    def visit_Lambda(self, node: ast.Lambda) -> ast.expr:
        args = node.args
        args.defaults = [self.expression(d) for d in args.defaults]
        args.kw_defaults = [d if d is None else self.expression(d) for d in args.kw_defaults]
        inner = Expressions(
            self.filename, f"{self.function}.<locals>.<lambda>", scope_of(node), self, self.free, self.sites
        )
        node.body = inner.expression(node.body)
        return node

    def visit_List(self, node: ast.List) -> ast.expr:
        self.generic_visit(node)
        return at(hook("new", node), node) if isinstance(node.ctx, ast.Load) else node

    def visit_Dict(self, node: ast.Dict) -> ast.expr:
        self.generic_visit(node)
        return at(hook("new", node), node)

    def visit_Set(self, node: ast.Set) -> ast.expr:
        self.generic_visit(node)
        return at(hook("new", node), node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        if not any(isinstance(v, ast.FormattedValue) for v in node.values):
            return node
        parts: list[ast.expr] = []
        for v in node.values:
            if isinstance(v, ast.FormattedValue):
                spec = ast.Constant("") if v.format_spec is None else self.expression(v.format_spec)
                pair = ast.Tuple([self.expression(v.value), ast.Constant(v.conversion), spec], ast.Load())
                parts.append(at(pair, v))
            else:
                parts.append(v)
        return at(hook("fstring", *parts), node)

    def _yield(self, node: ast.AST) -> NoReturn:
        self.refuse(
            node,
            "'yield' is not supported in compiled code: it has no generators",
            "a list or an array that is filled and returned",
        )

    visit_Yield = visit_YieldFrom = _yield

    def visit_Await(self, node: ast.Await) -> NoReturn:
        self.refuse(node, "'await' is not supported in compiled code", SYNCHRONOUS)


def _simple(comp: ast.GeneratorExp | ast.ListComp) -> bool:
    """Whether a comprehension is one loop that could be recorded."""
    if len(comp.generators) != 1 or comp.generators[0].is_async:
        return False
    return not any(isinstance(n, ast.NamedExpr | ast.Yield | ast.Await) for n in walk(comp))


def _each(target: ast.expr, value: ast.expr) -> ast.Lambda:
    """``lambda target, item: value``, to be called with the item twice; the names in ``target`` are bound to it."""
    item = ast.arg("@item")
    if isinstance(target, ast.Name):
        return ast.Lambda(ast.arguments([], [ast.arg(target.id), item], None, [], [], None, []), value)
    generator = ast.comprehension(target, ast.Tuple([load("@item")], ast.Load()), [], 0)
    one = ast.Subscript(ast.ListComp(value, [generator]), ast.Constant(0), ast.Load())
    return ast.Lambda(ast.arguments([], [ast.arg("@whole"), item], None, [], [], None, []), one)
