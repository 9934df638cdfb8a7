"""Downloads a data set's files: from several mirrors, over HTTPS only, resumed, checked, put in place by one rename.

Mirrors are not trusted: an answer that is too long, is a web page, leads away from HTTPS or does not match the data
set's table is refused with a reason, and the next mirror is asked.

pooch, the usual library for this, checks digests, but reads an answer to its end however long it is, follows redirects
to plain HTTP, begins again where a connection broke off, has one address per file, and waits for a name as long as the
system's resolver does.
"""

import queue
import threading
import time
import zlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from featherweight.data.alt_formats import Check, place_of, settle, take_out
from featherweight.data.sets import DatasetSpec, File, Progress
from featherweight.errors import DataError
from featherweight.escape import printable
from featherweight.io import locked

SILENCE_S = 15.0
"""A server that sends nothing for this many seconds, in the middle of an answer, is given up."""
PLAIN_HTTP: frozenset[str] = frozenset()
"""Hosts that may be contacted without TLS: none; tests add their own machine."""


class RefusedError(Exception):
    """The reason why a mirror's answer to a download is not accepted, as the end of a sentence."""


class SilentError(RefusedError):
    """The mirror of a download has not begun to answer."""


class BrokenOffError(RefusedError):
    """The connection of a download failed or broke off; the part received so far is good."""


class NetworkError(Exception):
    """The error of a download's connection, as the end of a sentence; distinct from the OSErrors of the disk."""

    def __init__(self, error: Exception) -> None:
        cause = error.reason if isinstance(error, URLError) else error
        text = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
        super().__init__(printable(str(text))[:200])


def open_response(address: str, start: int, patience_s: float) -> Any:
    """Open the HTTPS response to a request for the bytes of a URL from `start` on.

    Raises SilentError after `patience_s` seconds, RefusedError for an error status or a redirect away from HTTPS, and
    NetworkError otherwise.
    """
    _require_secure(address)
    headers = {"User-Agent": "featherweight", "Accept-Encoding": "identity"}
    request = Request(address, headers=headers | ({"Range": f"bytes={start}-"} if start else {}))
    box: queue.SimpleQueue[Any] = queue.SimpleQueue()
    # In a thread, since neither resolving a name nor trying all of its addresses respects a timeout.
    threading.Thread(target=lambda: box.put(_response_or_reason(request)), daemon=True).start()
    try:
        outcome = box.get(timeout=patience_s)
    except queue.Empty:
        raise SilentError("it does not answer") from None
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def read_some(response: Any, most: int) -> bytes:
    """The next bytes of an HTTPS response, at most `most`; empty at the end. Raises NetworkError."""
    try:
        return bytes(response.read1(most))
    except (OSError, HTTPException) as error:
        raise NetworkError(error) from error


def _response_or_reason(request: Request) -> Any:
    """The response, or the exception that explains why there is none."""
    opener = OpenerDirector()  # without the usual handlers for files and FTP
    for handler in (
        ProxyHandler(), HTTPHandler(), HTTPSHandler(), HTTPDefaultErrorHandler(), HTTPErrorProcessor(),
        _OnlySecure(),
    ):  # fmt: skip
        opener.add_handler(handler)
    try:
        return opener.open(request, timeout=SILENCE_S)
    except HTTPError as error:
        error.close()
        return RefusedError(f"it answered {error.code}")
    except RefusedError as error:
        return error
    except Exception as error:  # whatever it is, the calling thread must get it
        return NetworkError(error)


class _OnlySecure(HTTPRedirectHandler):
    """Follows redirects only to HTTPS."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        """The request that follows the redirect; RefusedError if it would leave HTTPS."""
        _require_secure(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _require_secure(address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in PLAIN_HTTP):
        raise RefusedError(f"it leads to {printable(address)[:80]}, which is not HTTPS")


ANSWER_S = 5.0
"""Seconds within which a mirror must begin to answer, including name resolution. Each silent mirror halves the time
for the next, so that a machine without a network gives up within 10 seconds."""
ATTEMPTS = 5
"""A mirror is asked for the rest of a file as long as each attempt receives something, at most this many times."""
CHUNK = 1 << 18
PACE_S = 20.0
PACE_BYTES = 20_000
"""A mirror that sends fewer bytes than this in PACE_S seconds, on average since it began, is given up."""


class UnavailableError(DataError):
    """A data set is not on this machine and could not be downloaded."""


class UnwritableError(UnavailableError):
    """The folder for a download cannot be written."""


def fetch(known: DatasetSpec, files: Sequence[File], folder: Path, progress: Progress | None = None) -> None:
    """Download what is missing of a data set's files in `folder`; those there, under any spelling, are not touched.

    Only one process at a time downloads to a folder; the others wait and then find the files. Raises
    UnavailableError, naming every mirror and its reason, or UnwritableError.
    """
    try:
        with locked(folder / ".download.lock"):
            missing = [file for file in files if file.in_folder(folder) is None]
            if known.archive and missing:
                _fetch_archive(known, missing, folder, progress)
            for file in () if known.archive else missing:
                addresses = [f"{mirror}{file.published}" for mirror in known.mirrors]
                _fetch_one(known.name, addresses, *place_of(folder, file), progress)
    except UnavailableError:
        with suppress(OSError):
            folder.rmdir()  # remove a folder that was made in vain; one that is not empty stays
        raise
    except OSError as error:  # network errors have already become reasons
        raise UnwritableError(f"{printable(folder)} cannot be written ({error.strerror or error}).") from error


def _fetch_archive(known: DatasetSpec, files: Sequence[File], folder: Path, progress: Progress | None) -> None:
    """Download the archive, extract the requested files, and delete it."""
    archive = folder / known.archive_name

    def unpack(path: Path) -> None:
        take_out(path, known, files, folder)

    _fetch_one(known.name, known.mirrors, archive, known.archive_bytes, unpack, progress)
    archive.unlink()


def _fetch_one(
    name: str, addresses: Sequence[str], target: Path, limit: int, check: Check, progress: Progress | None
) -> None:
    """Download one file to its place from the first mirror that has it."""
    reasons: list[tuple[str, str]] = []
    patience_s = ANSWER_S
    for address in addresses:
        # Mirrors compress differently, so another mirror must not continue what one began.
        part = target.with_name(f"{target.name}.{zlib.crc32(address.encode()):08x}.part")
        try:
            _from_mirror(address, part, limit, check, progress, patience_s)
        except RefusedError as reason:
            reasons.append((urlsplit(address).hostname or address, str(reason)))
            patience_s /= 2 if isinstance(reason, SilentError) else 1
            continue
        settle(part, target)
        for left in target.parent.glob(f"{target.name}.*.part"):
            left.unlink()
        return
    raise UnavailableError(
        f"{name} could not be downloaded: {_listed(reasons)}."
        " Try again when you are online, or name a folder that holds its files."
    )


def _from_mirror(
    address: str, part: Path, limit: int, check: Check, progress: Progress | None, patience_s: float
) -> None:
    """Complete `part` from one mirror; if a resumed file turns out to be wrong, it is downloaded again, once."""
    resumed = _length(part) > 0
    try:
        _complete(address, part, limit, progress, patience_s)
        check(part)
    except (SilentError, BrokenOffError):
        raise  # the received part is kept for the next attempt
    except (DataError, RefusedError) as error:
        part.unlink(missing_ok=True)
        if not resumed:
            raise RefusedError(str(error).rstrip(".")) from error
        _from_mirror(address, part, limit, check, progress, patience_s)


def _complete(address: str, part: Path, limit: int, progress: Progress | None, patience_s: float) -> None:
    """Download the rest of `part`, in several attempts as long as each receives something."""
    reason = ""
    for _ in range(ATTEMPTS):
        before = _length(part)
        try:
            with open_response(address, before, patience_s) as response:
                if _receive(response, part, before, limit, progress):
                    return
            reason = "it breaks off"
        except NetworkError as error:
            reason = str(error)
        if _length(part) <= before:
            break
    raise BrokenOffError(reason)


def _receive(response: Any, part: Path, before: int, limit: int, progress: Progress | None) -> bool:
    """Write an answer to its position in `part`; returns whether the file is now complete."""
    start = before if _continues(response, before) else 0
    length = response.headers.get("Content-Length") or ""
    total = start + int(length) if length.isascii() and length.isdigit() and len(length) < 16 else None
    if (total or 0) > limit:
        raise RefusedError(f"it announces {total:,} bytes, but the file cannot have more than {limit:,}")
    done = start
    with part.open("r+b" if start else "wb") as file:
        file.seek(start)
        first, begun = b"", time.monotonic()
        while piece := read_some(response, CHUNK):
            if start == 0 and len(first) < 2:  # a fragment may be a single byte
                first += piece[:64]
                _check_start(first)
            _check_pace(done + len(piece) - start, time.monotonic() - begun)
            if done + len(piece) > limit:
                raise RefusedError(f"it sends more than the {limit:,} bytes that the file can have")
            file.write(piece)
            done += len(piece)
            if progress:
                progress(part.name.rsplit(".", 2)[0].removesuffix(".gz"), done, total)
    return done > 0 and done >= (total or done)


def _check_pace(received: int, seconds: float) -> None:
    """Raise BrokenOffError if an answer comes so slowly that it would take forever; the received part is kept."""
    if seconds > PACE_S and received < seconds * PACE_BYTES / PACE_S:
        raise BrokenOffError(f"it sends {received / seconds:.0f} bytes a second, fewer than {PACE_BYTES / PACE_S:.0f}")


def _continues(response: Any, before: int) -> bool:
    """Whether the answer begins where we stopped, as requested, rather than at the start."""
    came = response.headers.get("Content-Range") or ""
    return before > 0 and response.status == 206 and came.startswith(f"bytes {before}-")


def _check_start(piece: bytes) -> None:
    """Raise RefusedError, before anything is kept, unless this is gzip, ZIP, bzip2 or IDX (some servers unpack)."""
    starts = (b"\x1f\x8b", b"PK", b"BZh", b"\0\0")
    if not any(piece[: len(known)] == known[: len(piece)] for known in starts):
        page = piece.lstrip()[:1] == b"<"
        raise RefusedError(f"it answers with {'a web page' if page else 'something else'} instead of the file")


def _listed(reasons: Iterable[tuple[str, str]]) -> str:
    """A list of mirrors and reasons; mirrors with the same reason are named together.

    >>> _listed([("a.org", "it answered 404"), ("b.org", "it does not answer"), ("c.org", "it answered 404")])
    'a.org, c.org: it answered 404; b.org: it does not answer'
    """
    hosts: dict[str, list[str]] = {}
    for host, reason in reasons:
        hosts.setdefault(reason, []).append(host)
    return "; ".join(f"{', '.join(names)}: {reason}" for reason, names in hosts.items()) or "no mirror is known"


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
