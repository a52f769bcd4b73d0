"""The command line: `python -m benchmarks run | startup | recompiles | npbench | list`."""

import sys
from datetime import date
from pathlib import Path

import click

from benchmarks import derivatives as derivatives_module
from benchmarks import machine, npbench, report
from benchmarks import recompiles as recompiles_module
from benchmarks import startup as startup_module
from benchmarks.frameworks import FRAMEWORKS, installed
from benchmarks.run import load, measure, selected
from benchmarks.workloads import WORKLOADS

RESULTS = Path(__file__).parent / "results"
PACKAGES = ["numpy", "llvmlite", "numba", "jax", "torch"]


def write(text: str, out: Path | None, name: str) -> None:
    """Put a report where it was asked for, or under results/ by date and name."""
    out = out or RESULTS / f"{date.today()}-{name}.md"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text)
    click.echo(f"Written to {out}")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
def main() -> None:
    """Measure tracejit beside other frameworks: one process, one core, one thread."""


@main.command("list")
def list_rows() -> None:
    """Name the rows and who runs them."""
    for workload in WORKLOADS:
        limits = ", ".join(f"under {limit:g} × {other}" for other, limit in workload.limits.items())
        click.echo(f"{workload.title:45} {' '.join(workload.frameworks):35} {limits}")


@main.command()
@click.option("--rows", multiple=True, help="Shell pattern for a group, name or group/name; may be repeated.")
@click.option("--frameworks", "names", help="Comma-separated; by default those that are installed.")
@click.option("--subject", default="tracejit", show_default=True, help="Whose time is divided by the others'.")
@click.option("--rounds", default=15, show_default=True, type=click.IntRange(min=6), help="Pairs of samples per row.")
@click.option("--sample-ms", default=2.0, show_default=True, help="Least length of one sample.")
@click.option("--name", default="all", show_default=True, help="Ends the result's file name.")
@click.option("--out", type=click.Path(path_type=Path), help="The result's file; default results/<date>-<name>.md.")
@click.option("--check", is_flag=True, help="Also fail when a limit is not held.")
def run(
    rows: tuple[str, ...],
    names: str | None,
    subject: str,
    rounds: int,
    sample_ms: float,
    name: str,
    out: Path | None,
    check: bool,
) -> None:
    """Time the rows and write a Markdown report; fails when an answer is wrong or a program is refused."""
    wanted = names.split(",") if names else installed()
    for unknown in set(wanted) - FRAMEWORKS.keys():
        raise click.BadParameter(f"{unknown!r} is none of {', '.join(FRAMEWORKS)}", param_hint="--frameworks")
    if subject not in wanted:
        subject = wanted[-1]
    workloads = selected(WORKLOADS, rows)
    if not workloads:
        raise click.BadParameter("no row matches; `python -m benchmarks list` names them", param_hint="--rows")
    facts = machine.facts(machine.pin_to_one_core(), PACKAGES)
    frameworks = load(wanted)

    done = []
    for workload in workloads:
        row = measure(workload, frameworks, rounds, sample_ms * 1e-3)
        done.append(row)
        times = "  ".join(f"{who} {report.duration(samples.cpu_median)}" for who, samples in row.samples.items())
        failed = "  ".join(f"{who} failed" for who in row.failures)
        click.echo(f"{workload.title:45} {times}  {failed}".rstrip())

    write(report.markdown(done, wanted, subject, facts, rounds), out, name)

    failures = [f"{row.workload.title}, {who}: {why}" for row in done for who, why in row.failures.items()]
    missed = [f"{row.workload.title}: {report.limit_cell(row)}" for row in done
              if any(row.verdict(other) is False for other in row.workload.limits)]  # fmt: skip
    click.echo("\n".join(failures + missed), err=True, nl=bool(failures + missed))
    sys.exit(bool(failures or (check and missed)))


@main.command()
@click.option("--repeats", default=7, show_default=True, help="Fresh processes per figure.")
@click.option("--name", default="startup", show_default=True, help="Ends the result's file name.")
@click.option("--out", type=click.Path(path_type=Path), help="The result's file; default results/<date>-<name>.md.")
def startup(repeats: int, name: str, out: Path | None) -> None:
    """Import, trace and compile times in fresh processes; fails when a limit is not held."""
    facts = machine.facts(machine.pin_to_one_core(), PACKAGES)
    figures = startup_module.measure_all(repeats)
    click.echo(startup_module.table(figures))
    write(startup_module.markdown(figures, facts, repeats), out, name)
    sys.exit(not all(figure.held for figure in figures))


@main.command("npbench")
@click.argument("checkout", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--kernels", help="Comma-separated; by default the 32 of the project's goal.")
@click.option("--preset", default="S", show_default=True, help="The suite's size of the arguments.")
@click.option("--peers", default="", help="Comma-separated among numba and jax: the suite's own sources for them.")
@click.option("--out", type=click.Path(path_type=Path), help="The result's file; otherwise it is only printed.")
def run_npbench(checkout: Path, kernels: str | None, preset: str, peers: str, out: Path | None) -> None:
    """Check and time the kernels of an NPBench CHECKOUT; fails when one does not agree with NumPy."""
    others = [p for p in peers.split(",") if p]
    for unknown in set(others) - npbench.FILES.keys():
        raise click.BadParameter(f"{unknown!r} is none of {', '.join(npbench.FILES)}", param_hint="--peers")
    facts = machine.facts(machine.pin_to_one_core(), PACKAGES)
    suite = npbench.Suite(checkout)
    outcomes = []
    for kernel in kernels.split(",") if kernels else npbench.KERNELS:
        outcomes.append(npbench.run(suite, kernel, preset, others))
        click.echo("  ".join([*npbench.line(outcomes[-1], others), outcomes[-1].failure.split("\n")[0]]))
    text = npbench.report(outcomes, preset, others)
    click.echo(text)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text("\n".join(["# NPBench", "", *(f"- {fact}" for fact in facts), "", text]))
    sys.exit(any(o.failure for o in outcomes))


@main.command()
@click.option("--rounds", default=15, show_default=True, type=click.IntRange(min=6), help="Pairs of samples per row.")
@click.option("--sample-ms", default=2.0, show_default=True, help="Least length of one sample.")
@click.option("--repeats", default=5, show_default=True, help="Fresh processes per figure.")
@click.option("--name", default="derivatives", show_default=True, help="Ends the result's file name.")
@click.option("--out", type=click.Path(path_type=Path), help="The result's file; default results/<date>-<name>.md.")
def derivatives(rounds: int, sample_ms: float, repeats: int, name: str, out: Path | None) -> None:
    """What gradients cost beside the function: time, first call, memory; fails when a limit is not held."""
    facts = machine.facts(machine.pin_to_one_core(), PACKAGES)
    costs = {}
    for row in derivatives_module.COSTS:
        costs[row.name] = derivatives_module.cost(row, rounds, sample_ms * 1e-3)
        click.echo(f"{row.name:45} {report.interval(costs[row.name])} (limit {row.limit:g})")
    first = derivatives_module.fresh(derivatives_module.FIRST_CALLS, repeats)
    peaks = derivatives_module.fresh(derivatives_module.MEMORY, 1)
    write(derivatives_module.markdown(costs, first, peaks, facts), out, name)
    limits = all(costs[row.name].holds(row.limit) for row in derivatives_module.COSTS)
    sys.exit(not (limits and all(f.held for f in first + peaks)))


@main.command()
def recompiles() -> None:
    """Call one function with 50 batch sizes and count compilations; fails above 2."""
    compilations = recompiles_module.count()
    click.echo(f"{recompiles_module.BATCH_SIZES} batch sizes, {compilations} compilations (at most 2)")
    sys.exit(compilations > 2)
