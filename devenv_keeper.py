"""The keeper of a cluster: kills its nodes when devenv.py is gone.

A program of its own, which imports no other file, since it runs isolated (-I). Only the standard library is
used, as in devenv.py.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys

ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LAST_SECONDS = 60.0  # what it gets to kill all that is left


def signal_group(group: int, signum: int) -> bool:
    """Signal a process group; False if nobody is left in it (macOS says EPERM when only zombies are)."""
    try:
        os.killpg(group, signum)
    except (ProcessLookupError, PermissionError):
        return False
    return True


class Keeper:
    """A small process of its own that kills the nodes when this program is gone, however it went.

    It learns of our end by the end of a pipe that only we can write to, so SIGKILL is covered too. The
    obvious other way, prctl(PR_SET_PDEATHSIG), is Linux only, fires at the end of the *thread* that started
    the node, and is not inherited by the workers that some servers start; the keeper kills whole groups.

    There is no moment at which a node runs unguarded: it starts as a shell that waits for a line (`GATE`),
    which it gets once the keeper's pipe holds its group. If we die before, the shell reads the end of its
    input instead, and ends. What a pipe holds is read even when its writer is dead.
    """

    GATE = 'read -r go && exec "$@" </dev/null'

    def __enter__(self) -> Keeper:
        """Start the process, in a session of its own: what is sent to our terminal must not end it."""
        command, null = [sys.executable, "-I", __file__], subprocess.DEVNULL
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=null, stderr=null, start_new_session=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        """Close the pipe and wait until all that was still guarded is dead."""
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            self.process.communicate(timeout=LAST_SECONDS)

    def tell(self, order: str) -> None:
        """Send `+group` or `-group`; a short write to a pipe is never torn, so threads need no lock."""
        assert self.process.stdin is not None
        os.write(self.process.stdin.fileno(), f"{order}\n".encode())

    @staticmethod
    def main() -> None:
        """Be the keeper: note the groups until the pipe ends, then kill what is left of them."""
        for signum in ENDING_SIGNALS:
            signal.signal(signum, signal.SIG_IGN)
        groups: set[int] = set()
        for order in sys.stdin:
            (groups.add if order[0] == "+" else groups.discard)(int(order[1:]))
        for group in groups:
            signal_group(group, signal.SIGKILL)


if __name__ == "__main__":
    Keeper.main()
