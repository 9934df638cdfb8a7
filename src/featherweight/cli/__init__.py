"""The command line: verbs only. Parse, call, print.

Nothing heavy is imported until a verb needs it, so `--help` and `list` answer at once.
"""

import sys

# Each of these adds its verbs to the app.
from featherweight.cli import (  # noqa: F401
    doctor,
    export,
    find_lr,
    fit,
    info,
    live,
    new,
    predict,
    prove,
    report,
    safe_output,
    search,
    train,
)
from featherweight.cli.options import app
from featherweight.data.progress import downloads_display
from featherweight.errors import FeatherweightError, FileError, InterruptedRunError, shortage
from featherweight.training.runs.signals import terminable


def main() -> None:
    """Run the command line; every error of the package is one sentence and its exit status."""
    safe_output.make_safe()
    downloads_display.set(live.downloads)
    with terminable() as terminated:
        status = _status_of_app()
    if status == 130 and terminated:
        status = 143
    sys.exit(safe_output.flush() or status)


def _status_of_app() -> int:
    """Run the verb that was asked for; its exit status, after printing its error if there was one."""
    try:
        app()
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
            safe_output.tell(f"Error: {problem.filename} cannot be used ({problem.strerror}); choose another place.")
            return FileError.exit_status
        raise
    return 0


def _because_of_a_closed_pipe(end: BaseException | None) -> bool:
    """Whether typer or rich ended the program (both with status 1) because the reader of the pipe has gone."""
    while end is not None and not isinstance(end, BrokenPipeError):
        end = end.__context__
    return end is not None
