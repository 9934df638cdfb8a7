"""The command line: verbs only. Parse, call, print.

Nothing heavy is imported until a verb needs it, so `--help` and `list` answer at once.
"""

import sys

# Each of these adds its verbs to the app, in the order in which --help shows them.
from featherweight.cli import find_lr, look, train  # noqa: F401
from featherweight.cli.options import app
from featherweight.errors import FeatherweightError


def main() -> None:
    """Run the command line; every error of the package is one sentence and its exit status."""
    try:
        app()
    except FeatherweightError as problem:
        print(f"Error: {problem}", file=sys.stderr)
        sys.exit(problem.exit_status)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        sys.exit(130)
