"""One HTTPS request: what it leads to is refused unless it stays HTTPS, and silence ends it."""

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

from featherweight.files import printable

SILENCE_S = 15.0
"""A server that sends nothing for so long, in the middle of an answer, is given up."""
PLAIN_HTTP: frozenset[str] = frozenset()
"""Hosts that may be asked without TLS: none; tests put their own machine here."""


class RefusedError(Exception):
    """Why a server's answer will not do, as the end of a sentence."""


class SilentError(RefusedError):
    """The server has not begun to answer."""


class BrokenOffError(RefusedError):
    """The connection failed or broke off; what came before is good."""


class NetworkError(Exception):
    """What broke a connection, told apart from the OSErrors of the disk; as the end of a sentence."""

    def __init__(self, error: Exception) -> None:
        cause = error.reason if isinstance(error, URLError) else error
        text = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
        super().__init__(printable(str(text))[:200])


def answer(address: str, start: int, patience_s: float) -> Any:
    """The open response to a request for the bytes from `start` on.

    Raises SilentError after `patience_s` seconds, RefusedError for an error status or a way out of HTTPS,
    NetworkError otherwise.
    """
    _require_secure(address)
    headers = {"User-Agent": "featherweight", "Accept-Encoding": "identity"}
    request = Request(address, headers=headers | ({"Range": f"bytes={start}-"} if start else {}))
    box: queue.SimpleQueue[Any] = queue.SimpleQueue()
    # In a thread, since neither resolving a name nor trying all of its addresses keeps to a timeout.
    threading.Thread(target=lambda: box.put(_opened(request)), daemon=True).start()
    try:
        outcome = box.get(timeout=patience_s)
    except queue.Empty:
        raise SilentError("it does not answer") from None
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def read_some(response: Any, most: int) -> bytes:
    """The bytes that have come, at most so many; none at the end. Raises NetworkError."""
    try:
        return bytes(response.read1(most))
    except (OSError, HTTPException) as error:
        raise NetworkError(error) from error


def _opened(request: Request) -> Any:
    """The response, or the exception that says why there is none."""
    opener = OpenerDirector()  # without the handlers for files and FTP that the usual one has
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
    except Exception as error:  # whatever it is, the thread that asked must hear of it
        return NetworkError(error)


class _OnlySecure(HTTPRedirectHandler):
    """Follows redirects to HTTPS alone."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        """The request to follow with; RefusedError where it would leave HTTPS."""
        _require_secure(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _require_secure(address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in PLAIN_HTTP):
        raise RefusedError(f"it leads to {printable(address)[:80]}, which is not HTTPS")
