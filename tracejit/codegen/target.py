"""What the code generator must know of the machine that will run its code."""

from __future__ import annotations

from tracejit.record import record


@record(frozen=True)
class Target:
    """A machine.

    Args:
        vector_bits: Width of a vector register.
        masked: Loads and stores under a mask cost what plain ones cost, for every element size (AVX-512, SVE), so
            that the rest of a vector loop is one masked turn; elsewhere it is a scalar loop.
    """

    vector_bits: int = 256
    masked: bool = False

    @staticmethod
    def host() -> Target:
        """This machine."""
        from tracejit.codegen.cpu import vector_bits

        bits = vector_bits()
        return Target(bits, masked=bits == 512)
