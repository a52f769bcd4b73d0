"""Partial differential equations and a cellular automaton on rectangular grids, mostly as slices of arrays."""

import numpy as np
from numpy.typing import NDArray


def game_of_life(board: NDArray[np.uint8], steps: int) -> NDArray[np.uint8]:
    """Conway's Game of Life, `steps` generations in place; the outermost ring of cells stays as it is.

    Gardner (Mathematical Games, Scientific American 223, 1970). Shape: board (n, m), 1 is alive and 0 is dead.

    >>> blinker = np.zeros((5, 5), np.uint8)
    >>> blinker[2, 1:4] = 1
    >>> game_of_life(blinker, 1)[:, 2]
    array([0, 1, 1, 1, 0], dtype=uint8)
    """
    for _ in range(steps):
        neighbours = (
            board[:-2, :-2] + board[:-2, 1:-1] + board[:-2, 2:]
            + board[1:-1, :-2] + board[1:-1, 2:]
            + board[2:, :-2] + board[2:, 1:-1] + board[2:, 2:]
        )  # fmt: skip
        survives = (neighbours == 2) & (board[1:-1, 1:-1] == 1)
        board[1:-1, 1:-1] = survives | (neighbours == 3)
    return board


def heat(u: NDArray[np.float64], alpha: float, steps: int) -> NDArray[np.float64]:
    """The heat equation in two dimensions, `steps` explicit steps in place; the boundary keeps its temperature.

    Forward in time, centred in space; `alpha` is diffusivity times time step over squared grid width, at most 1/4
    for stability (Courant, Friedrichs and Lewy 1928). Shape: u (n, m).

    >>> u = np.zeros((5, 5))
    >>> u[2, 2] = 1.0
    >>> heat(u, 0.25, 2)[1:-1, 1:-1]
    array([[0.125, 0.   , 0.125],
           [0.   , 0.25 , 0.   ],
           [0.125, 0.   , 0.125]])
    """
    for _ in range(steps):
        u[1:-1, 1:-1] += alpha * (
            u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2] - 4 * u[1:-1, 1:-1]
        )  # fmt: skip
    return u


def wave(u: NDArray[np.float64], courant: float, steps: int) -> NDArray[np.float64]:
    """The wave equation in two dimensions from rest: the displacement after `steps` steps, zero on the boundary.

    Leapfrog in time, centred in space; `courant` is speed times time step over grid width, at most 1/sqrt(2)
    (Courant, Friedrichs and Lewy 1928). Shape: u (n, m), which is left as it was.

    >>> u = np.zeros((5, 5))
    >>> u[2, 2] = 1.0
    >>> wave(u, 0.5, 2)[1:-1, 1:-1]
    array([[ 0.0625,  0.25  ,  0.0625],
           [ 0.25  , -0.375 ,  0.25  ],
           [ 0.0625,  0.25  ,  0.0625]])
    """
    rate = courant * courant
    previous = u.copy()
    current = u.copy()
    # From rest, the first step is half of what a later one adds.
    current[1:-1, 1:-1] += 0.5 * rate * (
        u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2] - 4 * u[1:-1, 1:-1]
    )  # fmt: skip
    for _ in range(1, steps):
        following = np.zeros_like(u)
        following[1:-1, 1:-1] = 2 * current[1:-1, 1:-1] - previous[1:-1, 1:-1] + rate * (
            current[2:, 1:-1] + current[:-2, 1:-1] + current[1:-1, 2:] + current[1:-1, :-2] - 4 * current[1:-1, 1:-1]
        )  # fmt: skip
        previous = current
        current = following
    return current


def jacobi(f: NDArray[np.float64], tolerance: float, max_sweeps: int) -> tuple[NDArray[np.float64], int]:
    """Solve Poisson's equation -laplace(u) = f on the unit grid with u = 0 on the boundary; also the sweeps needed.

    Jacobi iteration with two buffers that change places, until no value moves by more than `tolerance`
    (Saad, Iterative Methods for Sparse Linear Systems, 2003, section 4.1). Shape: f (n, m).

    >>> f = np.zeros((3, 3))
    >>> f[1, 1] = 4.0
    >>> u, sweeps = jacobi(f, 1e-9, 100)
    >>> u[1], sweeps
    (array([0., 1., 0.]), 2)
    """
    current = np.zeros_like(f)
    following = np.zeros_like(f)
    sweeps = 0
    while sweeps < max_sweeps:
        following[1:-1, 1:-1] = 0.25 * (
            current[2:, 1:-1] + current[:-2, 1:-1] + current[1:-1, 2:] + current[1:-1, :-2] + f[1:-1, 1:-1]
        )
        current, following = following, current
        sweeps += 1
        if np.max(np.abs(current - following)) <= tolerance:
            break
    return current, sweeps


def sor(
    u: NDArray[np.float64], f: NDArray[np.float64], omega: float, tolerance: float, max_sweeps: int
) -> tuple[NDArray[np.float64], int]:
    """Solve -laplace(u) = f in place by successive over-relaxation from the given u; also the sweeps needed.

    Young (Iterative methods for solving partial difference equations of elliptic type, 1954). The boundary of u
    stays. Each value is written at once and read by its neighbours, so this cannot be array expressions.
    Shapes: u (n, m), f (n, m).

    >>> u, f = np.zeros((3, 3)), np.zeros((3, 3))
    >>> f[1, 1] = 4.0
    >>> u, sweeps = sor(u, f, 1.0, 1e-9, 100)
    >>> u[1], sweeps
    (array([0., 1., 0.]), 2)
    """
    rows, columns = u.shape
    for sweep in range(max_sweeps):
        largest = 0.0
        for i in range(1, rows - 1):
            for j in range(1, columns - 1):
                average = 0.25 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] + f[i, j])
                change = omega * (average - u[i, j])
                u[i, j] += change
                largest = max(largest, abs(change))
        if largest <= tolerance:
            return u, sweep + 1
    return u, max_sweeps
