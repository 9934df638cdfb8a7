"""Commands in processes forked from one that has already imported the library.

Such a process does what a fresh one does, without the two to four seconds of imports that a fresh one begins with. It
serves tests of what commands print, write and exit with; tests of imports, kills, signals and terminals start fresh
ones.
"""

import atexit
import gc
import json
import os
import runpy
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

Command = Callable[..., "subprocess.CompletedProcess[str]"]
"""Words after `python`, which begin with `-m` and a module or with `-c` and a program, to how the command ended."""
MOST_BYTES = 65_536
"""Of a message to the process that forks."""
AHEAD = ("torch._dynamo", "featherweight.cli", "featherweight.cli.console", "featherweight.reading", "PIL.Image")
"""What it imports: PyTorch with the part that an export to ONNX loads, and what most verbs need."""


@contextmanager
def forks(folder: Path, around: Mapping[str, str]) -> Iterator[Command]:
    """A function that runs commands in this folder and with these environment variables, one at a time.

    Where processes cannot be forked safely, each command is a fresh process.
    """
    if sys.platform != "linux":
        yield lambda *words: subprocess.run(
            [sys.executable, *words], cwd=folder, env=around, capture_output=True, text=True, check=False
        )
        return
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        with theirs:
            process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())], pass_fds=[theirs.fileno()], cwd=folder, env=around,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        yield lambda *words: _asked(ours, words)
    assert process.wait() == 0, "the process that forks has failed; its traceback is above"


def _asked(server: socket.socket, words: tuple[str, ...]) -> "subprocess.CompletedProcess[str]":
    message = json.dumps(words).encode()
    assert len(message) <= MOST_BYTES
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        socket.send_fds(server, [message], [out.fileno(), err.fileno()])
        answer = server.recv(MOST_BYTES)
        assert answer, "the process that forks is gone; its traceback is above"
        printed = [(file.seek(0), file.read().decode())[1] for file in (out, err)]
    return subprocess.CompletedProcess(words, json.loads(answer), *printed)


def _serve(client: socket.socket) -> list[str] | None:
    """Fork a process for each message. Returns its words in the process that is to carry them out, None at the end."""
    begun = dict(os.environ)
    for name in AHEAD:
        __import__(name)
    for name in os.environ.keys() - begun.keys():
        del os.environ[name]  # what PyTorch has added
    assert begun == os.environ
    assert len(list(Path("/proc/self/task").iterdir())) == 1, "a process with threads cannot be forked safely"
    gc.collect()
    gc.freeze()  # so that memory stays shared with the processes to come
    while True:
        message, passed, _, _ = socket.recv_fds(client, MOST_BYTES, 2)
        if not message:
            return None
        process = os.fork()
        if not process:
            client.close()
            for standard, given in zip((1, 2), passed, strict=True):
                os.dup2(given, standard)
                os.close(given)
            words: list[str] = json.loads(message)
            return words
        for given in passed:
            os.close(given)
        _, status = os.waitpid(process, 0)
        client.send(json.dumps(os.waitstatus_to_exitcode(status)).encode())


def _carry_out(words: list[str]) -> None:
    """What `python` with these words does in a fresh process."""
    import multiprocessing.process

    here = str(Path.cwd())
    multiprocessing.process.ORIGINAL_DIR = here  # type: ignore[attr-defined]
    kind, what, *more = words
    sys.argv = [kind, *more]
    if kind == "-m":
        sys.path.insert(0, here)
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        assert kind == "-c", words
        sys.path.insert(0, "")
        sys.modules["__main__"] = main = ModuleType("__main__")
        known: dict[str, Any] = vars(main)
        exec(compile(what, "<string>", "exec"), known)


def _end_with(work: Callable[[], None]) -> NoReturn:
    """Do the work and end this process as Python does, but for taking all modules apart, which takes 0.2 s."""
    status = 0
    try:
        work()
    except SystemExit as end:
        if end.code is not None and not isinstance(end.code, int):
            print(end.code, file=sys.stderr)
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not stream.closed:
            stream.flush()
    os._exit(status & 0xFF)


if __name__ == "__main__":
    del sys.path[0]  # the folder of this file, which no command has there
    if (asked := _serve(socket.socket(fileno=int(sys.argv[1])))) is not None:
        _end_with(lambda: _carry_out(asked))
