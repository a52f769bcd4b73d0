"""`python -m benchmarks`."""

from benchmarks import machine

# Before anything imports NumPy.
machine.ensure_environment()

from benchmarks.cli import main  # noqa: E402

if __name__ == "__main__":
    main()
