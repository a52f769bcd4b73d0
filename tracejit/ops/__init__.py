"""What operations mean, one declaration each, by family."""

from tracejit.ops import collective, control, custom, elementwise, library, loop, reduction, structural
from tracejit.ops.primitive import REGISTRY, Primitive

__all__ = [
    "REGISTRY",
    "Primitive",
    "collective",
    "control",
    "custom",
    "elementwise",
    "library",
    "loop",
    "reduction",
    "structural",
]
