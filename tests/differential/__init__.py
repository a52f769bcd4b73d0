"""Differential tests: every program must behave under `tracejit.jit` exactly as it does in plain Python and NumPy."""
