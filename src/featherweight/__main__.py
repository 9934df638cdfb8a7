"""`python -m featherweight` is the command line."""

import sys
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent
if not getattr(sys.flags, "safe_path", False) and sys.path and HOME != Path(sys.path[0] or ".").resolve() == Path.cwd():
    del sys.path[0]  # the current folder, which `-m` puts first: nothing that lies there is to be imported

from featherweight.cli import main  # noqa: E402

if __name__ == "__main__":
    main()
