"""`streams`, but where it would die at its failpoint, its disk is full from then on."""

import os
import signal

from streams.cli.main import main
from tests.faults import disk

if __name__ == "__main__":
    kill = os.kill

    def fill(pid: int, number: int) -> None:
        if (pid, number) == (os.getpid(), signal.SIGKILL):
            disk.fill(pid)
        else:
            kill(pid, number)

    os.kill = fill
    main()
