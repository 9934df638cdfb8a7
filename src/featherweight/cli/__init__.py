"""The command line: verbs only. Parse, call, print.

Nothing heavy is imported until a verb needs it, so `--help` and `list` answer at once.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from featherweight.cli import display, safe_output
from featherweight.cli.options import app as _app
from featherweight.data.sets import downloads_display
from featherweight.errors import FeatherweightError, InterruptedRunError, shortage
from featherweight.training.runs.signals import terminable

VERBS = {
    "export": "export calibrate size draw report predict", "fit": "fit", "info": "list show evaluate bench doctor",
    "prove": "prove compare", "search": "search find-lr", "train": "new train ladder",
}  # fmt: skip
"""The verbs of each module, which adds them to the app when it is imported."""


def import_verbs(words: Sequence[str]) -> None:
    """Import the module of the verb that these words begin with, or all of them if they name none."""
    verb = next((word for word in words if not word.startswith("-")), "")
    of_it = [module for module, verbs in VERBS.items() if verb in verbs.split()]
    for module in of_it or VERBS:
        import_module(f"featherweight.cli.{module}")


def __getattr__(name: str) -> Any:
    """`app`, with every verb."""
    if name != "app":
        raise AttributeError(f"featherweight.cli has no {name!r}")
    import_verbs(())
    return _app


def main() -> None:
    """Run the command line; every error of the package is one sentence and its exit status."""
    import_verbs(sys.argv[1:])
    safe_output.make_safe()
    downloads_display.set(display.downloads)
    with terminable() as terminated:
        status = _status_of_app()
    if status == 130 and terminated:
        status = 143
    sys.exit(safe_output.flush() or status)


def _status_of_app() -> int:
    """Run the verb that was asked for; its exit status, after printing its error if there was one."""
    try:
        _app()
    except InterruptedRunError as problem:  # which somebody asked for
        safe_output.tell(str(problem))
        return problem.exit_status
    except FeatherweightError as problem:
        safe_output.tell(f"Error: {problem}")
        return problem.exit_status
    except SystemExit as end:
        if _because_of_a_closed_pipe(end):
            return safe_output.CLOSED
        if end.code == 130:
            safe_output.tell("Stopped.")
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        safe_output.tell("Stopped.")
        return 130
    except (MemoryError, RuntimeError, ImportError, OSError) as problem:
        if lacking := shortage(problem):
            return safe_output.refused(lacking)
        if isinstance(problem, OSError) and problem.filename is None and problem.errno in safe_output.UNWRITABLE:
            return safe_output.unwritable(problem)
        if isinstance(problem, OSError) and problem.filename is not None and problem.errno in safe_output.CLOSED_PLACES:
            return safe_output.unusable(problem)
        raise
    return 0


def _because_of_a_closed_pipe(end: BaseException | None) -> bool:
    """Whether typer or rich ended the program (both with status 1) because the reader of the pipe has gone."""
    while end is not None and not isinstance(end, BrokenPipeError):
        end = end.__context__
    return end is not None
