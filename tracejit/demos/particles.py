"""Bodies under gravity, with loops and with arrays, and a lattice of spins."""

import numpy as np
from numpy.typing import NDArray


def nbody(
    position: NDArray[np.float64], velocity: NDArray[np.float64], mass: NDArray[np.float64], dt: float, steps: int
) -> float:
    """Advance bodies under their gravity in place, and return the total energy at the end.

    Symplectic Euler over pairs of bodies, as the n-body program of the Computer Language Benchmarks Game; the
    unit of mass is chosen so that the constant of gravity is 1. Shapes: position (n, 3), velocity (n, 3), mass (n,).

    Two bodies of mass 1 at distance 2 on a circular orbit have energy 2 * 0.25 / 2 - 1 / 2:

    >>> position = np.array([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])
    >>> velocity = np.array([[0.0, 0.5, 0.0], [0.0, -0.5, 0.0]])
    >>> round(float(nbody(position, velocity, np.array([1.0, 1.0]), 0.001, 100)), 6)
    -0.25
    """
    bodies = mass.size
    for _ in range(steps):
        for i in range(bodies):
            for j in range(i + 1, bodies):
                dx = position[i, 0] - position[j, 0]
                dy = position[i, 1] - position[j, 1]
                dz = position[i, 2] - position[j, 2]
                squared = dx * dx + dy * dy + dz * dz
                magnitude = dt / (squared * np.sqrt(squared))
                velocity[i, 0] -= dx * mass[j] * magnitude
                velocity[i, 1] -= dy * mass[j] * magnitude
                velocity[i, 2] -= dz * mass[j] * magnitude
                velocity[j, 0] += dx * mass[i] * magnitude
                velocity[j, 1] += dy * mass[i] * magnitude
                velocity[j, 2] += dz * mass[i] * magnitude
        for i in range(bodies):
            for k in range(3):
                position[i, k] += dt * velocity[i, k]

    energy = 0.0
    for i in range(bodies):
        energy += 0.5 * mass[i] * (velocity[i, 0] ** 2 + velocity[i, 1] ** 2 + velocity[i, 2] ** 2)
        for j in range(i + 1, bodies):
            dx = position[i, 0] - position[j, 0]
            dy = position[i, 1] - position[j, 1]
            dz = position[i, 2] - position[j, 2]
            energy -= mass[i] * mass[j] / np.sqrt(dx * dx + dy * dy + dz * dz)
    return energy


def nbody_arrays(
    position: NDArray[np.float64],
    velocity: NDArray[np.float64],
    mass: NDArray[np.float64],
    softening: float,
    dt: float,
    steps: int,
) -> NDArray[np.float64]:
    """Advance bodies under softened gravity in place, all pairs at once by broadcasting; return the positions.

    Symplectic Euler with Plummer softening (Aarseth, Gravitational N-Body Simulations, 2003), the form in which it
    is written without loops over bodies. Shapes: position (n, 3), velocity (n, 3), mass (n,).

    >>> position = np.array([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])
    >>> velocity = np.array([[0.0, 0.5, 0.0], [0.0, -0.5, 0.0]])
    >>> nbody_arrays(position, velocity, np.array([1.0, 1.0]), 0.0, 0.5, 1)
    array([[ 0.9375,  0.25  ,  0.    ],
           [-0.9375, -0.25  ,  0.    ]])
    """
    for _ in range(steps):
        offset = position[None, :, :] - position[:, None, :]
        squared = (offset * offset).sum(axis=2) + softening * softening
        # A body does not pull itself: its offset is 0, and this keeps 0 / 0 away where nothing is softened.
        squared = np.where(squared > 0.0, squared, 1.0)
        weight = mass / (squared * np.sqrt(squared))
        velocity += dt * (weight[:, :, None] * offset).sum(axis=1)
        position += dt * velocity
    return position


def ising(spins: NDArray[np.int8], randoms: NDArray[np.float64], beta: float) -> NDArray[np.float64]:
    """Metropolis sweeps over a periodic Ising model in place; the mean magnetisation after each sweep.

    Metropolis et al. (Equation of state calculations by fast computing machines, J. Chem. Phys. 21, 1953): a spin
    is turned when that lowers the energy, or with probability exp(-beta * rise). The uniform random numbers are
    given, so that the run can be repeated. Shapes: spins (n, m) of -1 and 1, randoms (sweeps, n, m) in [0, 1).

    >>> spins = np.ones((4, 4), np.int8)
    >>> spins[1, 2] = -1
    >>> ising(spins, np.full((1, 4, 4), 0.5), 1.0)
    array([1.])
    """
    sweeps, rows, columns = randoms.shape
    magnetisation = np.zeros(sweeps)
    for sweep in range(sweeps):
        total = 0
        for i in range(rows):
            for j in range(columns):
                around = (
                    spins[(i + 1) % rows, j]
                    + spins[(i - 1) % rows, j]
                    + spins[i, (j + 1) % columns]
                    + spins[i, (j - 1) % columns]
                )
                rise = 2 * spins[i, j] * around
                if rise <= 0 or randoms[sweep, i, j] < np.exp(-beta * rise):
                    spins[i, j] = -spins[i, j]
        for i in range(rows):
            for j in range(columns):
                total += int(spins[i, j])
        magnetisation[sweep] = total / (rows * columns)
    return magnetisation
