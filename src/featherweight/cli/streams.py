"""Standard output and error as they may be: closed, full, ASCII alone. A verb prints, and here it is seen to."""

import codecs
import errno
import os
import sys

from featherweight.files import printable

PLAIN = {"±": "+-", "×": "x", "–": "-", "—": "-", "…": "...", "→": "->", "·": "-", "≤": "<=", "≥": ">=", "°": " deg"}
"""What is printed for these where they cannot be; anything else is written as its number."""
UNWRITABLE = (errno.ENOSPC, errno.EFBIG, errno.EIO)
"""How the system says that a stream cannot be written, other than that nobody reads it."""
CLOSED = 128 + 13
"""The status of what writes to a pipe that nobody reads any more, as the shell tells it (SIGPIPE)."""


def make_safe() -> None:
    """See that nothing that is printed can fail for want of a stream or a character."""
    codecs.register_error("plain", _plain)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # started with the stream closed
            # Not closed again: it lives as long as the process, and takes the number that would else go to a file.
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
        elif hasattr(getattr(sys, name), "reconfigure"):
            getattr(sys, name).reconfigure(errors="plain")


def _plain(problem: UnicodeError) -> tuple[str, int]:
    """What stands for characters that a stream's encoding lacks.

    >>> _plain(UnicodeEncodeError("ascii", "99 ± 数", 3, 6, ""))
    ('+- \\\\u6570', 6)
    """
    assert isinstance(problem, UnicodeEncodeError)
    given = problem.object[problem.start : problem.end]
    parts = [PLAIN.get(c) or c.encode("ascii", "backslashreplace").decode() for c in given]
    return "".join(parts), problem.end


def tell(sentence: str) -> None:
    """Print a sentence on standard error, if anybody is there."""
    try:
        print(printable(sentence, lines=True), file=sys.stderr, flush=True)
    except OSError:
        silence()


def flush() -> int:
    """Write out what was printed; 0, or the exit status that says why it cannot be."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        silence()
        return CLOSED
    except OSError as problem:
        return unwritable(problem)
    return 0


def unwritable(problem: OSError) -> int:
    """Say why standard output cannot be written; the exit status of it."""
    silence()
    tell(f"Error: Standard output cannot be written ({problem.strerror}); send it elsewhere.")
    return 4


def silence() -> None:
    """Send what is still to be written nowhere, so that ending does not fail on it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None:
            try:
                stream.flush()
            except (OSError, ValueError):
                os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
