"""What calls of the command line give."""

from collections.abc import Callable

Run = Callable[..., tuple[int, str, str]]
"""The fixture `run`: words to exit status, standard output and standard error."""
