"""What crosses the border of the package: files written atomically, locks, JSON read within limits, text escaped.

Names of folders and classes, texts of records and studies may hold anything. Whatever writes one of them into a C
comment, a Python file, a table or a terminal puts it through the function of that format, so that no name becomes code.
(Jinja escapes HTML itself.)

>>> print(in_c_comment("end */ int x; /*"))
end * / int x; / *
>>> print(in_docstring('say \\"\\"\\"'), python_string('a"b'))
say \\"\\"\\" "a\\"b"
>>> csv_cell("=1+1"), csv_cell(-1.5), markdown("a|b<i>")
("'=1+1", -1.5, 'a\\\\|b&lt;i>')
"""

import errno
import json
import math
import os
import re
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

from featherweight.errors import FileError

__version__ = "0.2.0"
"""The version of the package, written into the files that it makes. This is its one home."""

Cell = TypeVar("Cell")

PAUSE_S = 0.05
DEEPEST = 16
"""Lists within lists that JSON from outside may have; what is written here has 5."""
LARGEST_INTEGER = 1 << 62
LONGEST_TEXT = 1 << 14
"""Characters of one text in it; a path has at most 4,096."""

Progress = Callable[[str, int, int | None], None]
"""Called as a download proceeds with the file's name, the bytes received so far, and the total if known."""
Display = Callable[[], AbstractContextManager[Progress | None]]
downloads_display: ContextVar[Display] = ContextVar("downloads_display", default=nullcontext)
"""Entered while a data set is loaded; yields the callback that follows its downloads. By default there is none."""

if sys.platform == "win32":
    import msvcrt

    def _try(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _try(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold an exclusive lock on this file, waiting as long as another process holds it.

    Without `wait`, raises BlockingIOError if another process holds it.

    The file is created, with its folder if necessary, and removed afterwards. Raises OSError if it cannot be created
    or locked.
    """
    handle = _acquire(path, wait)
    try:
        yield
    finally:
        # Removed while still locked: a process that waits for the removed file notices and creates a new one.
        if sys.platform != "win32":
            with suppress(OSError):  # a folder that cannot be written any more keeps an empty file, which nobody holds
                path.unlink(missing_ok=True)
        os.close(handle)


def _acquire(path: Path, wait: bool) -> int:
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:  # another process has just removed the folder
            continue
        try:
            _try(handle)
            if _same(handle, path):
                return handle
        except (BlockingIOError, PermissionError):  # held by another process; Windows raises PermissionError
            pass
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
        if not wait:
            raise BlockingIOError(f"{path} is locked by another process")
        time.sleep(PAUSE_S)


def _same(handle: int, path: Path) -> bool:
    """Whether the open file is still the one at this path."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def write_text(path: Path, text: str) -> None:
    """Write a file atomically: to a temporary file beside it, flushed to disk, then renamed over the old one."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes, keep: Path | None = None) -> None:
    """Like `write_text`, for bytes. If `keep` is given, the old file is moved there once the new one is complete."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if keep is not None and path.exists():
            path.replace(keep)
        part.replace(path)
        flush_names(path.parent)
    except OSError as problem:
        _remove(part)
        raise FileError(
            f"{path} could not be written ({problem.strerror}); its previous content is unchanged. Free some space, or"
            " choose a folder that you can write to."
        ) from problem
    except BaseException:
        _remove(part)
        raise


def _remove(path: Path) -> None:
    """Take away a file that is of no use, where that can be done; no error of this may hide the one that led here."""
    with suppress(OSError):
        path.unlink(missing_ok=True)


def make_folders(folder: Path) -> None:
    """Make a folder and what is missing above it, and put their names on the disk; nothing where it is there."""
    for one in reversed([above for above in (folder, *folder.parents) if not above.is_dir()]):
        one.mkdir(exist_ok=True)
        flush_names(one.parent)


def flush_names(folder: Path) -> None:
    """Put a folder's names on the disk, without which a rename may not outlive a power cut."""
    if os.name != "posix":  # elsewhere a folder cannot be opened
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as problem:
        if problem.errno != errno.EINVAL:  # the file system does not support it
            raise
    finally:
        os.close(handle)


def remove_parts(folder: Path) -> None:
    """Remove what a killed process had begun to write into this folder; for whoever alone writes there."""
    with suppress(OSError):
        for part in folder.glob(".*.part"):
            _remove(part)


def read_regular(path: Path, most: int) -> bytes:
    """The content of a regular file of up to `most` bytes; FileError for anything else, without waiting for a pipe."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(handle, "rb") as file:
            content = file.read(most + 1) if stat.S_ISREG(os.fstat(handle).st_mode) else None
    except OSError as problem:
        raise FileError(f"{printable(path)} cannot be read ({problem.strerror}).") from problem
    if content is None or len(content) > most:
        raise FileError(f"{printable(path)} must be a regular file of up to {most:,} bytes; it is not.")
    return content


def parse_json(text: str | bytes, *, longest: int = LONGEST_TEXT) -> Any:
    """The values in JSON from outside; ValueError where they are not what anybody here would have written.

    Refused beside what is no JSON: numbers that are infinite, not numbers or beyond 2^62, lists more than 16 deep, a
    name that comes twice, texts of more than `longest` characters or with halves of surrogate pairs, which no file and
    no terminal takes.

    >>> parse_json('{"a": [1, 2.5, null]}')
    {'a': [1, 2.5, None]}
    """
    try:
        values = json.loads(text, parse_constant=_no_number, parse_int=_integer, object_pairs_hook=_once)
    except RecursionError as problem:
        raise ValueError("it has lists within lists without end") from problem
    _require_plain(values, DEEPEST, longest)
    return values


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is not a number")


def _integer(text: str) -> int:
    if len(text) > 20 or abs(int(text)) > LARGEST_INTEGER:
        raise ValueError(f"{text[:20]}... is too large a number" if len(text) > 20 else f"{text} is too large a number")
    return int(text)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name comes twice")
    return found


def _require_plain(value: Any, deep: int, longest: int) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number is too large")
    if isinstance(value, str):
        if len(value) > longest:
            raise ValueError(f"a text has {len(value):,} characters, and at most {longest:,} are read")
        value.encode("utf-8")  # UnicodeEncodeError, a ValueError, for halves of surrogate pairs
    elif isinstance(value, list | dict):
        if not deep:
            raise ValueError(f"it has lists within lists, more than {DEEPEST} deep")
        for name, inner in value.items() if isinstance(value, dict) else ((None, each) for each in value):
            _require_plain(name, 0, longest)
            _require_plain(inner, deep - 1, longest)


def printable(path: Path | str, *, lines: bool = False) -> str:
    """Text as a terminal may have it: control characters escaped, so that a name cannot write on the screen.

    Those that change the direction of text and lone surrogates count among them. With `lines`, new lines are kept.

    >>> print(printable("a\\x1b[2Jb"))
    a\\x1b[2Jb
    """
    return "".join(
        c if c.isprintable() or (lines and c == "\n") else c.encode("unicode_escape", "replace").decode()
        for c in str(path)
    )


def in_c_comment(text: str) -> str:
    """Text for a comment of C, of either kind: ASCII on one line, which neither ends the comment nor continues it.

    A backslash at the end of a line, or the trigraph for one, would take the next line into a comment of `//`.

    >>> print(in_c_comment("é and\\n#define"), in_c_comment("dir\\\\"))
    \\u00e9 and\\n#define dir\\\\.
    """
    plain = json.dumps(text)[1:-1].replace("\x7f", "\\u007f").replace("??", "? ?").replace("??", "? ?")
    while "*/" in plain or "/*" in plain:  # once is not enough for "*/*"
        plain = plain.replace("*/", "* /").replace("/*", "/ *")
    return f"{plain}." if plain.endswith("\\") else plain


def c_string(text: str) -> str:
    """Text as a string of C, quotes included, its bytes beyond ASCII as octal.

    >>> print(c_string('a"b'), c_string("é"), c_string("??/"))
    "a\\"b" "\\303\\251" "\\077\\077/"
    """
    if text.isascii() and text.isprintable() and "?" not in text:
        return json.dumps(text)
    encoded = text.encode("utf-8", "backslashreplace")
    return '"' + "".join(chr(b) if 32 <= b < 127 and b not in b'"\\?' else f"\\{b:03o}" for b in encoded) + '"'


def python_string(text: str) -> str:
    """Text as a string of Python, in double quotes.

    >>> eval(python_string("\\u202e\\n'\\"\\\\")) == "\\u202e\\n'\\"\\\\"
    True
    """
    return f'"{in_docstring(text)}"'


def in_docstring(text: str) -> str:
    """Text between quotes of Python, single or tripled: backslashes, double quotes and control characters escaped."""
    return "".join(
        f"\\{c}" if c in '\\"' else c if c.isprintable() else c.encode("unicode_escape").decode() for c in text
    )


def csv_cell(value: Cell) -> Cell | str:
    """A table's value: text that a spreadsheet would take for a formula gets an apostrophe in front; numbers stay."""
    if not isinstance(value, str):
        return value
    shown = printable(value, lines=True)
    return f"'{shown}" if re.match(r"\s*[=+\-@]", value) else shown


def markdown(text: str) -> str:
    """Text in a line or a table's cell of Markdown: what would be markup is shown as it was given.

    >>> print(markdown("[x](javascript:y) `rm` *b*"))
    \\[x\\](javascript:y) \\`rm\\` \\*b\\*
    """
    shown = re.sub(r"([\\`*_\[\]|#~$])", r"\\\1", printable(text))
    return shown.replace("&", "&amp;").replace("<", "&lt;")
