"""How a download tells whoever watches it how far it is."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar

Progress = Callable[[str, int, int | None], None]
"""Called as a download proceeds with the file's name, the bytes received so far, and the total if known."""
Display = Callable[[], AbstractContextManager[Progress | None]]
downloads_display: ContextVar[Display] = ContextVar("downloads_display", default=nullcontext)
"""Entered while a data set is loaded; yields the callback that follows its downloads. By default there is none."""
