"""`python -m featherweight` is the command line."""

from featherweight.cli import main

if __name__ == "__main__":
    main()
