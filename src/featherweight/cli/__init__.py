"""The command line: verbs only. Parse, call, print.

Nothing heavy is imported until a verb needs it, so `--help` and `list` answer at once.
"""

import sys

# Each of these adds its verbs to the app.
from featherweight.cli import (  # noqa: F401
    export,
    find_lr,
    fit,
    live,
    look,
    new,
    predict,
    prove,
    report,
    search,
    streams,
    train,
)
from featherweight.cli.options import app
from featherweight.data.progress import downloads_display
from featherweight.errors import FeatherweightError, InterruptedRunError
from featherweight.training.runs.signals import terminable


def main() -> None:
    """Run the command line; every error of the package is one sentence and its exit status."""
    streams.make_safe()
    downloads_display.set(live.downloads)
    with terminable() as terminated:
        status = _status_of_app()
    if status == 130 and terminated:
        status = 143
    sys.exit(streams.flush() or status)


def _status_of_app() -> int:
    """Run the verb that was asked for; its exit status, after printing its error if there was one."""
    try:
        app()
    except InterruptedRunError as problem:  # which somebody asked for
        streams.tell(str(problem))
        return problem.exit_status
    except FeatherweightError as problem:
        streams.tell(f"Error: {problem}")
        return problem.exit_status
    except SystemExit as end:
        if _because_of_a_closed_pipe(end):
            return streams.CLOSED
        if end.code == 130:
            streams.tell("Stopped.")
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        streams.tell("Stopped.")
        return 130
    except OSError as problem:
        if problem.errno not in streams.UNWRITABLE or problem.filename is not None:
            raise
        return streams.unwritable(problem)
    return 0


def _because_of_a_closed_pipe(end: BaseException | None) -> bool:
    """Whether typer or rich ended the program (both with status 1) because the reader of the pipe has gone."""
    while end is not None and not isinstance(end, BrokenPipeError):
        end = end.__context__
    return end is not None
