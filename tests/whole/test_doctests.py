"""Every example in a docstring runs and shows what it says."""

import doctest
import importlib
import pkgutil

import docs.build
import pytest

import featherweight

MODULES = sorted(
    info.name
    for package in (featherweight, docs.build)
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if not info.name.rpartition(".")[2].startswith("_")  # `__main__` and the compiled kernels hold none
)


def test_there_are_modules_to_look_through() -> None:
    assert len(MODULES) > 30


@pytest.mark.parametrize("name", ["featherweight", *MODULES])
def test_examples(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0
