"""The version of the package, written into the files that it makes. This is its one home."""

__version__ = "0.2.0"
