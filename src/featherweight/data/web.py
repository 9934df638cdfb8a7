"""One HTTPS request: redirects away from HTTPS are refused, and silent servers are given up."""

import queue
import threading
from http.client import HTTPException, HTTPMessage
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

from featherweight.escape import printable

SILENCE_S = 15.0
"""A server that sends nothing for this many seconds, in the middle of an answer, is given up."""
PLAIN_HTTP: frozenset[str] = frozenset()
"""Hosts that may be contacted without TLS: none; tests add their own machine."""


class RefusedError(Exception):
    """The reason why a server's answer is not accepted, as the end of a sentence."""


class SilentError(RefusedError):
    """The server has not begun to answer."""


class BrokenOffError(RefusedError):
    """The connection failed or broke off; the part received so far is good."""


class NetworkError(Exception):
    """The error of a connection, as the end of a sentence; distinct from the OSErrors of the disk."""

    def __init__(self, error: Exception) -> None:
        cause = error.reason if isinstance(error, URLError) else error
        text = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
        super().__init__(printable(str(text))[:200])


def answer(address: str, start: int, patience_s: float) -> Any:
    """The open response to a request for the bytes of a URL from `start` on.

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
    """The bytes received, at most `most`; empty at the end. Raises NetworkError."""
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
