"""The command `tracejit`."""

import sys
from contextlib import nullcontext
from statistics import median
from typing import cast, get_args

import click

from tracejit.demos import PROGRAMS, Size, program
from tracejit.demos.comparison import Comparison, compare

#: From this width of the terminal on, the table has room for descriptions.
WIDE = 110


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tracejit")
def main() -> None:
    """Ordinary Python and NumPy, compiled."""


def duration(seconds: float | None) -> str:
    """Seconds in the unit that reads best, or a dash.

    >>> duration(0.0021), duration(5.2e-8), duration(None)
    ('2.1 ms', '52 ns', '–')
    """
    if seconds is None:
        return "–"
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def verdict(comparison: Comparison) -> str:
    """Whether the answers are equal, and how far apart they are where they are not the same to the last bit."""
    if comparison.difference is None:
        return "error"
    word = "yes" if comparison.equal else "NO"
    return word if comparison.difference == 0.0 else f"{word} ({comparison.difference:.1g})"


def cells(comparison: Comparison) -> list[str]:
    """One line of the table."""
    speedup = comparison.speedup
    return [
        comparison.program.name,
        verdict(comparison),
        duration(comparison.first_call),
        duration(comparison.plain),
        duration(comparison.compiled),
        "–" if speedup is None else f"{speedup:.3g}×" if speedup < 1000 else f"{speedup:,.0f}×",
        comparison.program.description,
    ]


@main.command()
@click.argument("names", nargs=-1, metavar="[PROGRAM]...")
@click.option("--size", type=click.Choice(get_args(Size)), default="demo", show_default=True, help="Of the input.")
@click.option("--seed", default=1, show_default=True, help="For inputs that are drawn at random.")
def demo(names: tuple[str, ...], size: str, seed: int) -> None:
    """Compile real programs and compare them with plain Python and NumPy.

    Each PROGRAM (all of them by default) runs on the same input as it is and compiled. The table says whether the
    answers are equal, how long the first compiled call took (compilation included), how long a call takes in plain
    Python with NumPy and with tracejit, and how many times faster that is. Fails if any answer differs.
    """
    try:
        chosen = [program(name) for name in names] or PROGRAMS
    except KeyError as error:
        raise click.BadParameter(error.args[0], param_hint="PROGRAM") from None

    # Only this command draws, and importing takes as long as compiling a program or two.
    from rich.console import Console
    from rich.live import Live
    from rich.table import Table

    from tracejit import jit

    console = Console()
    table = Table()
    table.add_column("program", no_wrap=True)
    table.add_column("same answer", no_wrap=True)
    for heading in ("first call", "NumPy", "tracejit", "faster"):
        table.add_column(heading, justify="right", no_wrap=True)
    if console.width >= WIDE:
        table.add_column("what it computes")
    comparisons = []
    # Where nothing can be drawn over, such as a log, the table is printed once it is whole.
    with Live(table, console=console, vertical_overflow="visible") if console.is_terminal else nullcontext():
        for chosen_program in chosen:
            comparison = compare(chosen_program, jit, cast(Size, size), seed)
            comparisons.append(comparison)
            style = None if comparison.equal else "bold red"
            table.add_row(*cells(comparison)[: len(table.columns)], style=style)
    if not console.is_terminal:
        console.print(table)

    for comparison in comparisons:
        if comparison.error is not None:
            console.print(f"\n{comparison.program.name}:", style="bold")
            console.print(str(comparison.error), markup=False, highlight=False)
    equal = sum(comparison.equal for comparison in comparisons)
    speedups = [comparison.speedup for comparison in comparisons if comparison.speedup is not None]
    faster = f", {median(speedups):.3g} times faster in the median" if speedups else ""
    console.print(f"{equal} of {len(comparisons)} programs give plain Python's answer{faster}.", highlight=False)
    sys.exit(equal < len(comparisons))


if __name__ == "__main__":
    main()
