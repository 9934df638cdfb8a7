"""Workers of local pools, forked from a process that has already imported the library.

Such a worker does what a fresh one does, without the two to four seconds of imports that a fresh one begins with. Tests
of the pool itself, of kills and of interpreters start fresh ones.
"""

import ctypes
import gc
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

MOST_BYTES = 65_536
"""Of a message to the process that forks."""
AHEAD = ("featherweight.parallel.scheduler", "featherweight.search.trials",
         "featherweight.search.fit.workers", "PIL.Image", "loky.backend.reduction")  # fmt: skip
SUBREAPER = 36
"""Linux's PR_SET_CHILD_SUBREAPER: orphans below this process become its children."""


class ForkedProcess:
    """What a pool has to do with a process, as multiprocessing's classes offer it."""

    def __init__(self, target: Any, args: tuple[Connection], daemon: bool) -> None:
        self._pipe = args[0]
        self._id = 0
        self.exitcode: int | None = None

    def start(self) -> None:
        here = {"cwd": str(Path.cwd()), "environ": dict(os.environ), "path": sys.path, "argv": sys.argv}
        server = _server()
        socket.send_fds(server, [json.dumps(here).encode()], [self._pipe.fileno(), 1, 2])
        answer = server.recv(MOST_BYTES)
        assert answer, "the process that forks is gone; its traceback is above"
        self._id = int(answer)

    def _reap(self, how: int) -> None:
        if self.exitcode is None:
            found, status = os.waitpid(self._id, how)
            self.exitcode = os.waitstatus_to_exitcode(status) if found else None

    def is_alive(self) -> bool:
        self._reap(os.WNOHANG)
        return self.exitcode is None

    def join(self) -> None:
        self._reap(0)

    def terminate(self) -> None:
        if self.is_alive():
            os.kill(self._id, signal.SIGTERM)


class Forked:
    """What a pool takes for loky's context."""

    Pipe = staticmethod(multiprocessing.Pipe)
    Process = ForkedProcess


@cache
def _server() -> socket.socket:
    """The process that forks, started when it is first needed; it ends with this one."""
    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        subprocess.Popen(
            [sys.executable, __file__, str(theirs.fileno())], pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
    return ours


def use(forked: bool) -> None:
    """Have pools fork their workers, or start them as everybody's are."""
    from loky.backend import get_context

    from featherweight.parallel import local

    local.get_context = (lambda kind: Forked) if forked and sys.platform == "linux" else get_context


def _serve(client: socket.socket) -> None:
    """Fork a process for each message: twice, so that it becomes a child of whoever asked."""
    for name in AHEAD:
        __import__(name)
    assert len(list(Path("/proc/self/task").iterdir())) == 1, "a process with threads cannot be forked safely"
    gc.collect()
    gc.freeze()  # so that memory stays shared with the processes to come
    while True:
        message, (pipe, *streams), _, _ = _received(client)
        if not message:
            return
        names, name = os.pipe()
        between = os.fork()
        if not between:
            worker = os.fork()
            if not worker:
                for one in (client.detach(), names, name):
                    os.close(one)
                _work(json.loads(message), pipe, streams)
            os.write(name, str(worker).encode())
            os._exit(0)
        os.waitpid(between, 0)  # only then is the worker a child of whoever asked
        client.send(os.read(names, MOST_BYTES))
        for one in (pipe, *streams, names, name):
            os.close(one)


def _received(client: socket.socket) -> tuple[bytes, list[int], int, Any]:
    message, passed, flags, address = socket.recv_fds(client, MOST_BYTES, 3)
    return message, passed or [-1], flags, address


def _work(here: dict[str, Any], pipe: int, streams: list[int]) -> None:
    """What a worker does, with everything around it as where its pool is."""
    from featherweight.parallel import local

    for standard, given in zip((1, 2), streams, strict=True):
        os.dup2(given, standard)
        os.close(given)
    os.environ.clear()
    os.environ.update(here["environ"])
    os.chdir(here["cwd"])
    sys.path[:], sys.argv[:] = here["path"], here["argv"]
    local._serve(Connection(pipe))


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
