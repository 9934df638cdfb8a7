"""Builds the native engine's kernels, once for each instruction set, and the description that a package index shows.

Every extension is optional: where there is no C++ compiler, or it cannot, installation goes on without. The description
is the README with absolute addresses. Everything else is in pyproject.toml.
"""

import os
import platform
import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

from setuptools import Extension, setup

KERNELS = Path("src/featherweight/engine/kernels")

# Name -> flags; the engine asks the CPU at run time which of them it may use.
AVX2 = ["-mavx2", "-mfma", "-DFW_LANES=8", "-DFW_REGISTERS=16"]
AVX512 = [
    "-mavx512f",
    "-mavx512dq",
    "-mavx512bw",
    "-mavx512vl",
    "-mavx2",
    "-mfma",
    "-mprefer-vector-width=512",
]
X86 = {
    "avx512": [*AVX512, "-DFW_LANES=16", "-DFW_REGISTERS=32"],
    "avx2": AVX2,
    "base": ["-DFW_LANES=4", "-DFW_REGISTERS=16"],
}
OTHERS = {"base": ["-DFW_LANES=4", "-DFW_REGISTERS=32"]}  # 64-bit Arm has NEON always

# Products may join sums (contract), errno and traps are not looked at; NaN and the order of sums stay.
FLAGS = [
    "-std=c++17",
    "-O3",
    "-g0",
    "-fvisibility=hidden",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=fast",
]


def extensions() -> list[Extension]:
    """One optional extension for each instruction set of this kind of machine."""
    variants = X86 if platform.machine().lower() in ("x86_64", "amd64") else OTHERS
    return [
        Extension(
            f"featherweight.engine._native_{name}",
            [f"{KERNELS}/engine.cpp"],
            depends=[str(path) for path in sorted(KERNELS.glob("*.hpp"))],
            extra_compile_args=[*FLAGS, *flags],
            extra_link_args=[] if sys.platform == "darwin" else ["-pthread"],
            language="c++",
            optional=True,
        )
        for name, flags in variants.items()
    ]


def repository(project: Mapping[str, object], environment: Mapping[str, str]) -> str:
    """The address of the repository: that in pyproject.toml, else that of the workflow that builds this, else empty."""
    urls = project.get("urls")
    if isinstance(urls, dict) and "Repository" in urls:
        return str(urls["Repository"]).rstrip("/")
    name = environment.get("GITHUB_REPOSITORY", "")
    return f"{environment.get('GITHUB_SERVER_URL', 'https://github.com')}/{name}" if name else ""


def described(readme: str, address: str, version: str) -> str:
    """The README as a package index can show it: links and pictures of the repository at `address`, as of `version`.

    Where no address is known, links become their words and pictures are left out, since they would lead nowhere.
    """

    def link(found: re.Match[str]) -> str:
        picture, words, target = found.groups()
        if re.match(r"[a-z]+:|#", target):
            return found[0]
        kind = "raw" if picture else "blob"
        return f"{picture}[{words}]({address}/{kind}/{version}/{target})" if address else words * (not picture)

    def image(found: re.Match[str]) -> str:
        return f'{found[1]}{address}/raw/{version}/{found[2]}"'

    code = re.split(r"(^```.*?^```$)", readme, flags=re.DOTALL | re.MULTILINE)
    for at in range(0, len(code), 2):
        code[at] = re.sub(r"(!?)\[([^\[\]]*)\]\(([^()\s]+)\)", link, code[at])
        if address:
            code[at] = re.sub(r'(<img src=")(?![a-z]+:)([^"]+)"', image, code[at])
        else:
            code[at] = re.sub(r"<p>\s*(?:<img [^>]*>\s*)+</p>\n*", "", code[at])
    return "".join(code)


def description() -> str:
    """The README of this source tree, with the addresses that hold where it is built."""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    version = os.environ.get("GITHUB_REF_NAME", "HEAD")  # a release is built from its tag
    return described(Path("README.md").read_text(encoding="utf-8"), repository(project, os.environ), version)


setup(
    ext_modules=extensions(),
    options={"build_ext": {"parallel": True}},  # the instruction sets side by side, 9 to 12 s of one processor each
    long_description=description(),
    long_description_content_type="text/markdown",
)
