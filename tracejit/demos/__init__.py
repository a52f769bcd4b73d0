"""Programs as a NumPy user writes them: run by `tracejit demo`, the tests and the benchmarks.

The programs themselves know nothing of tracejit: plain functions over NumPy, with no decorator. `PROGRAMS` lists them
with the inputs they are run on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tracejit.demos import dynamic_programming, grids, images, inputs, numeric, particles, structures
from tracejit.demos.inputs import Arguments, Size

__all__ = ["PROGRAMS", "Arguments", "Program", "Size", "program"]


@dataclass(frozen=True)
class Program:
    """One demo program.

    Attributes:
        name: what it is called in tables and on the command line.
        function: the plain function.
        make_inputs: from a size and a seed to the arguments; equal seeds give equal arguments.
        description: what it computes, in a few words.
        numba: whether Numba compiles it unmodified, with a decorator on it and on the functions it calls. Found by
            experiment; the benchmarks fail where this turns out untrue.
        tolerance: the greatest difference from plain Python that rounding may make (`answers.difference`). Zero
            where each value comes from correctly rounded operations in the order that the program states.
    """

    name: str
    function: Callable[..., Any]
    make_inputs: Callable[[Size, int], Arguments]
    description: str
    numba: bool = True
    tolerance: float = 0.0


PROGRAMS = [
    Program("levenshtein", dynamic_programming.levenshtein, inputs.levenshtein, "edit distance of two DNA sequences"),
    Program("sieve", numeric.sieve, inputs.sieve, "sieve of Eratosthenes"),
    Program("nbody", particles.nbody, inputs.nbody, "the outer solar system, by loops"),
    Program("mandelbrot", numeric.mandelbrot, inputs.mandelbrot, "escape times in the Mandelbrot set"),
    Program("game_of_life", grids.game_of_life, inputs.game_of_life, "Conway's Game of Life, in place"),
    Program("smith_waterman", dynamic_programming.smith_waterman, inputs.smith_waterman, "local alignment of DNA"),
    Program("csr_product", structures.csr_product, inputs.csr_product, "sparse matrix times vector"),
    Program("viterbi", dynamic_programming.viterbi, inputs.viterbi, "hidden states of a Markov model"),
    Program("ising", particles.ising, inputs.ising, "Metropolis sweeps of a magnet, in place"),
    Program("floyd_steinberg", images.floyd_steinberg, inputs.floyd_steinberg, "dithering to black and white"),
    Program("union_find", structures.union_find, inputs.union_find, "connected components, with a helper"),
    Program("knapsack", dynamic_programming.knapsack, inputs.knapsack, "0-1 knapsack"),
    Program("runge_kutta", numeric.runge_kutta, inputs.runge_kutta, "orbit of the Lorenz system, with a helper"),
    Program("heat", grids.heat, inputs.heat, "heat equation, in place, by slices"),
    Program("wave", grids.wave, inputs.wave, "wave equation, by slices"),
    Program("sor", grids.sor, inputs.sor, "Poisson's equation by over-relaxation, in place"),
    Program("iir_filter", images.iir_filter, inputs.iir_filter, "recursive low-pass filter"),
    Program(
        "bilateral_filter", images.bilateral_filter, inputs.bilateral_filter, "edge-preserving blur", tolerance=1e-13
    ),
    Program("decision_tree", structures.decision_tree, inputs.decision_tree, "predictions of a decision tree"),
    Program("jacobi", grids.jacobi, inputs.jacobi, "Poisson's equation, two buffers that change places"),
    Program("collatz", numeric.collatz, inputs.collatz, "longest Collatz sequence"),
    Program("monte_carlo_pi", numeric.monte_carlo_pi, inputs.monte_carlo_pi, "π from random points"),
    Program("newton", numeric.newton, inputs.newton, "square root by Newton's iteration"),
    Program("nbody_arrays", particles.nbody_arrays, inputs.nbody_arrays, "gravity by broadcasting", tolerance=1e-12),
    Program("mandelbrot_masks", numeric.mandelbrot_masks, inputs.mandelbrot_masks, "Mandelbrot set by boolean masks"),
]


def program(name: str) -> Program:
    """The program of that name.

    >>> program("sieve").description
    'sieve of Eratosthenes'
    """
    for candidate in PROGRAMS:
        if candidate.name == name:
            return candidate
    raise KeyError(f"no demo program is called {name!r}; there are {', '.join(p.name for p in PROGRAMS)}")
