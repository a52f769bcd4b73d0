"""The grammar of random expressions, for the generator of programs.

In a template, `<T>` stands for an expression of type T one level down, `<T.>` for a leaf of it, `<T!>` for a variable.
The first templates of a list are the simplest: Hypothesis shrinks towards them.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")

LEAVES = {
    "int": ["<int!>", "<int!>", "<int!>", "1", "0", "3", "-2", "len(<F!>)"],
    "float": ["<float!>", "<float!>", "<float!>", "0.5", "-1.5", "0.0", "float(<int!>)", "float(<element>)"],
    "bool": ["<bool!>", "<int!> <cmp> <int.>", "<float!> <cmp> <float.>"],
    "d": ["<element>", "<element>", "<d!>", "<d!>", "np.float64(<float!>)"],
    "l": ["<I!>[<index>]", "<l!>", "<l!>", "np.int64(<int!>)"],
    "F": ["<F!>"],
    "I": ["<I!>"],
    "S": ["<S!>"],
    "M": ["<M!>"],
    "V": ["<V!>", "<F!>[1:]"],
    "cond": [
        "<int!> > <int.>",
        "<float!> < <float.>",
        "<int!> % 2 == 0",
        "<bool!>",
        "<element> > <float.>",
        "<d!> < <any>",
    ],
    "index": ["0", "-1", "<counter!>", "<counter!>", "2", "<int!> % len(<F!>)", "<int.>"],
    "element": ["<F!>[<index>]", "<F!>[<index>]", "<M!>[<row>, <index>]"],
}

COMPOUND = {
    "int": [
        "<int> + <int.>", "<int> - <int.>", "<int> * <int.>", "abs(<int>)", "-<int>", "<int> % 3", "<int> // 2",
        "<int> // -3", "<int> % <int.>", "<int> // <int.>", "min(<int>, <int.>)", "max(<int>, <int.>)",
        "(<int> if <cond.> else <int.>)", "<int> & 5", "<int> | 2", "(<int> < <int.>) + <int.>",
        "(<int.> and <int.>)", "(<int.> or <int.>)",
    ],
    "float": [
        "<float> + <number>", "<float> - <number>", "<float> * <number>", "abs(<float>)", "-<float>", "<float> / 4",
        "<float> / <number>", "<number> / <float>", "<int> / <int.>", "<float> % 2.5", "<float> % <number>",
        "<float> // 0.75", "<float> // <number>", "(<float> if <cond.> else <float.>)", "max(<float>, 0.75)",
        "min(<float>, <float.>)", "(<float.> or <float.>)", "float(<F!>.sum())",
    ],
    "bool": [
        "not <cond>", "bool(<cond>)", "<int> <cmp> <int> <cmp> <int.>", "<float> <cmp> <int>",
        "<int> <cmp> <float>",
    ],
    "d": [
        "<d> + <any>", "<d> * <any>", "<any> - <d>", "<d> / <any>", "-<d>", "np.abs(<d>)", "<F!>.sum()", "<F!>.mean()",
        "(<F!>.max() + 0.0)", "(<F!> * <F!>).sum()", "np.sqrt(np.abs(<d>))", "(<d> if <cond.> else np.float64(0.5))",
        "np.maximum(<d>, 0.25)", "<V>.sum()", "<M!>.sum(axis=1)[0]", "<d> // <any>", "<d> % 1.5",
    ],
    "l": [
        "<l> + <l.>", "<l> - 2", "<l> * <l.>", "<l> // 3", "<l> % -3", "<l> // <l.>", "<l> % <l.>", "<I!>.sum()",
        "<I!>.min()", "(<F!> > <float.>).sum()", "abs(<l>)",
    ],
    "F": [
        "<F> + 0", "<F> + <F.>", "<F> - <F.>", "<F> * <F.>", "<F> + <any>", "<any> * <F>", "<any> - <F>",
        "<F!>.copy()", "-<F>", "np.abs(<F>)", "<F>[::-1] * 1", "<F> / 2", "<F> / <F.>", "<F> // 0.75", "<F> % 1.5",
        "np.sqrt(np.abs(<F>))", "np.where(<F> > <any>, <F.>, <F.>)", "np.zeros_like(<F.>)",
        "np.full(len(<F.>), <float.>)", "np.maximum(<F>, 0.25)", "np.array([v * 2 for v in <F.>])",
        "np.concatenate([<F>[1:], <F.>[:1]])", "np.where(<F> == 0, 1.0, <F.>)",
    ],
    "I": [
        "<I> + 1", "<I> + <I.>", "<I> * <I.>", "<I> % 5", "<I> // 2", "<I> // -3", "<I> // <I.>", "<I> % <I.>",
        "-<I>", "<I> & 6", "np.arange(len(<I.>))", "(<I> > 0).astype(np.int64)", "np.where(<I> > 1, <I.>, 0)",
        "np.minimum(<I>, 3)",
    ],
    "S": ["<S> * 2", "<S> + <S.>", "<S> - <float.>", "<S!>.copy()", "<S> / 4", "np.abs(<S>)", "<S> * <int.>"],
    "M": [
        "<M> + 0", "<M> * <any>", "<M> - 1", "<M>[::-1] * 1", "np.zeros_like(<M.>)", "<M> - <M.>.sum(axis=0)",
        "<M> * <M.>[:, :1]", "np.stack([<M.>[1], <M.>[0]])", "<M> + <M.>[0]", "<M>[:, ::-1] + 0",
    ],
    "V": ["<F!>[<slice>]", "<F!>[<F!> > <any>]", "<F!>[1:] - <F!>[:-1]", "<V> * 2", "<V>[::2]", "<F!>[<int> % 4:]"],
    "cond": [
        "<cond> and <cond.>", "<cond> or <cond.>", "not (<cond>)", "-1 <= <int> < 3", "(<F!> > 0.5).any()",
        "(<I!> < 4).all()", "<d> >= <element>", "<int>", "<float>", "<d> == <d>", "len(<F!>) > <int.>", "<bool>",
        "<l> > 0",
    ],
}  # fmt: skip

OTHER = {
    "slice": [
        "1:",
        ":-1",
        "<int.>:",
        ":<int.>",
        "1:3",
        "::2",
        "<counter!>:<counter!> + 2",
        "<int.>::-1",
        "<int.>:<int.>:2",
    ],
    "row": ["0", "1", "-1"],
    "cmp": ["<", ">", "<=", ">=", "==", "!="],
    "number": ["<float.>", "<int.>"],
    "any": ["<float.>", "<int.>", "<d.>"],
    "bound": ["0", "2", "5", "<int.> % 4", "-2", "len(<F!>)"],
}

VIEWS = {
    "F": ["<F!>[::-1]"],
    "I": [],
    "S": [],
    "M": ["<M!>[::-1]", "<M!>[:, ::-1]"],
    "V": ["<F!>[<slice>]", "<V!>[::2]"],
}
CONSTANTS = {
    "int": "2", "float": "1.5", "bool": "True", "d": "np.float64(1.5)", "l": "np.int64(4)", "F": "np.ones(3)",
    "counter": "1", "I": "np.arange(3)", "S": "np.ones(3, np.float32)", "M": "np.ones((2, 3))", "V": "np.arange(4.0)",
}  # fmt: skip
BARE = ("<slice", "<row", "<cmp", "<index", "<bound", "<element")  # never in parentheses


def is_atom(text: str) -> bool:
    """Whether an expression can be an operand without parentheses."""
    depth = 0
    for char in text.removeprefix("-") if text[1:].replace(".", "").isdigit() else text:
        depth += (char in "([") - (char in ")]")
        if depth == 0 and not (char.isalnum() or char in "_.)]"):
            return False
    return True


class Expressions:
    """Draws expressions over the names in scope.

    Args:
        draw: Hypothesis's draw function.
        names: The variables in scope with their types.
    """

    def __init__(self, draw: Any, names: dict[str, str]) -> None:
        self.draw, self.names = draw, names
        self.counters: set[str] = set()  # the names that count: mostly good indices

    def pick(self, options: list[T]) -> T:
        return options[self.draw(st.integers(0, len(options) - 1))]

    def flip(self) -> bool:
        return bool(self.draw(st.booleans()))

    def variables(self, kind: str) -> list[str]:
        if kind == "counter":
            return [name for name in self.names if name in self.counters]
        return [name for name, k in self.names.items() if k == kind]

    def variable(self, kind: str) -> str:
        """A name of this type in scope, or a constant where there is none."""
        return self.pick(self.variables(kind) or [CONSTANTS[kind]])

    def expand(self, symbol: str, depth: int) -> str:
        """An expression for a symbol of the grammar."""
        options = OTHER.get(symbol) or LEAVES[symbol]
        if depth > 0 and self.flip():
            options = COMPOUND.get(symbol, options)
        return self.fill(self.pick([t for t in options if self.available(t)] or options), depth)

    def available(self, template: str) -> bool:
        """Whether there are variables of the types that the template names."""
        return all(self.variables(kind) for kind in re.findall(r"<(\w+)!>", template))

    def fill(self, template: str, depth: int = 2) -> str:
        """The template with its placeholders replaced, from left to right."""
        out = ""
        for part in re.split(r"(<\w+[.!]?>)", template):
            if not re.fullmatch(r"<\w+[.!]?>", part):
                out += part
            elif part.endswith("!>"):
                out += self.variable(part[1:-2])
            else:
                text = self.expand(part.strip("<.>"), 0 if part.endswith(".>") else depth - 1)
                plain = part == template or part.startswith(BARE) or is_atom(text)
                out += text if plain else f"({text})"
        return out

    def expression(self, kind: str, depth: int = 2, result: bool = False) -> str:
        """An expression of a type; ints stay small, and a result is often a variable itself."""
        if result and kind in VIEWS and self.variables(kind) and self.flip():
            return self.fill(self.pick([f"<{kind}!>", f"<{kind}!>", *VIEWS[kind]]))
        text = self.expand(kind, depth)
        if kind == "int" and re.search(r"[-+*]", text):
            return f"({text}) % 1009"
        return text
