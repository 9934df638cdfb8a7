"""Makes printing safe whatever standard output and error are: closed, full, or limited to ASCII."""

import codecs
import errno
import os
import shutil
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from featherweight.errors import ClosedOutputError
from featherweight.escape import printable
from featherweight.io import LONGEST_SHOWN

PLAIN = {"±": "+-", "×": "x", "–": "-", "—": "-", "…": "...", "→": "->", "·": "-", "≤": "<=", "≥": ">=", "°": " deg"}
"""Replacements for characters that cannot be printed; any other is escaped as its number."""
UNWRITABLE = (errno.ENOSPC, errno.EFBIG, errno.EIO)
"""Errors of a stream that cannot be written, apart from a closed pipe."""
CLOSED_PLACES = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT, errno.ENOTDIR, errno.ENAMETOOLONG)
"""Errors of a file or folder that are those of the place that the user chose for it."""
CLOSED = ClosedOutputError.exit_status
"""The exit status after writing to a closed pipe."""


def make_safe() -> None:
    """Make sure that printing cannot fail because a stream is closed or lacks a character."""
    codecs.register_error("plain", _replacements)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # started with the stream closed
            # Left open for the life of the process: it holds the descriptor that a file would otherwise get.
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
        elif hasattr(getattr(sys, name), "reconfigure"):
            getattr(sys, name).reconfigure(errors="plain")


def _replacements(problem: UnicodeError) -> tuple[str, int]:
    """Replacements for characters that a stream's encoding lacks.

    >>> _replacements(UnicodeEncodeError("ascii", "99 ± 数", 3, 6, ""))
    ('+- \\\\u6570', 6)
    """
    assert isinstance(problem, UnicodeEncodeError)
    given = problem.object[problem.start : problem.end]
    parts = [PLAIN.get(c) or c.encode("ascii", "backslashreplace").decode() for c in given]
    return "".join(parts), problem.end


def wrap(text: str, to: IO[str]) -> str:
    """A text as it is printed to a stream: on a terminal with lines broken between words, elsewhere as it is.

    >>> import io
    >>> wrap("a line as long as one likes " * 9, io.StringIO()).count("\\n")
    0
    """
    if not to.isatty():
        return text
    width = max(20, shutil.get_terminal_size().columns)
    broken = textwrap.TextWrapper(width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    lines = text.replace(" %", "\0%").split("\n")  # a figure stays with its sign
    return "\n".join(broken.fill(line) if len(line) > width else line for line in lines).replace("\0", " ")


def tell(sentence: str) -> None:
    """Print a sentence on standard error, if it is open."""
    try:
        print(wrap(printable(sentence, lines=True), sys.stderr), file=sys.stderr, flush=True)
    except OSError:
        silence()


@contextmanager
def reader_may_go(out: Path) -> Iterator[None]:
    """ClosedOutputError, with where the work lies, in place of BrokenPipeError."""
    try:
        yield
    except BrokenPipeError as problem:
        raise ClosedOutputError(
            f"Stopped, since nobody reads the output any more. What was finished is in {str(out)[:LONGEST_SHOWN]}; the"
            " same command goes on from there."
        ) from problem


def flush() -> int:
    """Flush both streams; returns 0, or the exit status for why that failed."""
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
    """Report why standard output cannot be written; returns the exit status, 4."""
    silence()
    tell(f"Error: Standard output cannot be written ({problem.strerror}); send it elsewhere.")
    return 4


def unusable(problem: OSError) -> int:
    """Report that a file or folder cannot be used; returns the exit status, 2 for a name that is too long, or 4."""
    tell(f"Error: {str(problem.filename)[:LONGEST_SHOWN]} cannot be used ({problem.strerror}); choose another place.")
    return 2 if problem.errno == errno.ENAMETOOLONG else 4


def refused(what: str) -> int:
    """Report that the system has refused memory, a thread or a process; returns the exit status, 1."""
    less = ", or make the batch smaller" * (what == "memory")
    tell(f"Error: The system refuses {what} that is needed; end other programs{less}, and try again.")
    return 1


def silence() -> None:
    """Discard what is still to be written, so that the program can exit without an error."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None:
            try:
                stream.flush()
            except (OSError, ValueError):
                os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
