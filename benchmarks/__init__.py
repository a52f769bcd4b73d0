"""Benchmarks: tracejit beside NumPy, Numba, JAX and PyTorch in one process. `python -m benchmarks --help`."""
