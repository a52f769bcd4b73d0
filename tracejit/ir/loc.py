"""Source locations: where in the user's code a value or an op came from."""

from __future__ import annotations

from tracejit.record import record, replace


@record(frozen=True)
class Loc:
    """A place in the user's source.

    Args:
        file: File name as in the code object (may be ``"<ipython-input-3-...>"`` and the like).
        line: 1-based line.
        column: 0-based column in characters, or None when unknown.
        end_column: Column after the last character, or None.
        function: Qualified name of the function the line belongs to.
        caller: Where that function was called from, when it was inlined into another traced function.
        role: What the code is that a transform wrote for this place: ``"tangent of sqrt"``; empty for the program's
            own.
    """

    file: str
    line: int
    column: int | None = None
    end_column: int | None = None
    function: str = ""
    caller: Loc | None = None
    role: str = ""

    def __str__(self) -> str:
        short = self.file.rsplit("/", 1)[-1]
        return f"{short}:{self.line}" + ("" if self.column is None else f":{self.column}")

    def as_role(self, what: str, op: str) -> Loc:
        """The place of what a transform writes for the op called ``op``."""
        return self if self.role else replace(self, role=f"{what} of {op}")


UNKNOWN = Loc("<unknown>", 0)
