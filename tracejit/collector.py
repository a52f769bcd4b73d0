"""Python's garbage collector, put off while much is made that stays."""

from __future__ import annotations

import gc


class Paused:
    """A ``with`` in which Python does not look for garbage.

    Loading modules and compiling make a great many objects and hardly any garbage; looking for some in between takes up
    to half as long as the work itself. Afterwards what is there counts as old, and is looked at when all is.
    """

    __slots__ = ("_was_enabled",)

    def __enter__(self) -> None:
        self._was_enabled = gc.isenabled()
        gc.disable()

    def __exit__(self, *_: object) -> None:
        if self._was_enabled:
            if not gc.get_freeze_count():  # else the program has frozen objects of its own
                gc.freeze()
                gc.unfreeze()
            gc.enable()
