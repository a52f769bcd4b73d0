"""Run a check in a forked child, so that native code that crashes or hangs fails one test and not the session."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable

ENABLED = os.environ.get("TRACEJIT_ISOLATE", "") not in ("", "0")
TIMEOUT_SECONDS = float(os.environ.get("TRACEJIT_ISOLATE_TIMEOUT", "120"))


class Crash(AssertionError):
    """The child died of a signal, or had to be killed."""


def run(body: Callable[[], str | None], timeout: float = TIMEOUT_SECONDS) -> str:
    """Run `body` in a child process; give what it returned, raise what it raised, as text, or `Crash`."""
    sys.stdout.flush()
    sys.stderr.flush()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _child(body, writer)
    os.close(writer)
    text = b""
    deadline = time.monotonic() + timeout
    while True:
        ready, _, _ = select.select([reader], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(reader)
            raise Crash(f"still running after {timeout:.0f} s, killed")
        chunk = os.read(reader, 65536)
        if not chunk:
            break
        text += chunk
    os.close(reader)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        raise Crash(f"the process died of {signal.Signals(os.WTERMSIG(status)).name}")
    code = os.waitstatus_to_exitcode(status)
    if code:
        raise AssertionError(text.decode(errors="replace") or f"the child exited with code {code}")
    return text.decode(errors="replace")


def _child(body: Callable[[], str | None], writer: int) -> None:
    code = 0
    try:
        os.write(writer, (body() or "").encode())
    except BaseException as error:  # everything goes to the parent as text
        code = 1
        known = isinstance(error, AssertionError) and str(error)
        os.write(writer, (str(error) if known else traceback.format_exc()).encode())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
