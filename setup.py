"""Builds the native engine's kernels, once for each instruction set, and the description that a package index shows.

The kernels are plain shared libraries that know nothing of Python, so one wheel serves every version of it. Each is
optional: where there is no C++ compiler, or it cannot, installation goes on without. The description is the README with
absolute addresses. Everything else is in pyproject.toml.
"""

import copy
import os
import platform
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

if sys.version_info >= (3, 11):
    import tomllib  # novm
else:
    import tomli as tomllib

KERNELS = Path("src/featherweight/engine/kernels")

# Name -> flags; the engine asks the CPU at run time which of them it may use. Bits are the same with -O2, which takes
# a fifth less to compile, but 3 to 6 % longer to train with AVX-512.
AVX2 = ["-O2", "-mavx2", "-mfma", "-DFW_LANES=8", "-DFW_REGISTERS=16"]
AVX512 = [
    "-O3",
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
    "base": ["-O2", "-DFW_LANES=4", "-DFW_REGISTERS=16"],
}
OTHERS = {"base": ["-O3", "-DFW_LANES=4", "-DFW_REGISTERS=32"]}  # 64-bit Arm has NEON always

# Products may join sums (contract), errno and traps are not looked at; NaN and the order of sums stay.
ARITHMETIC = ["-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast"]
FLAGS = ["-std=c++17", "-g0", "-fvisibility=hidden", *ARITHMETIC]
# The kernels are written in vectors of GCC's kind, which Microsoft's compiler does not know; clang-cl comes with it.
CLANG_CL = ["/std:c++17", "/O2", "/EHsc", *ARITHMETIC]


def compiled_with(flags: list[str], system: str = sys.platform) -> list[str]:
    """The flags of one instruction set's library; clang-cl is given clang's own behind a prefix."""
    if system != "win32":
        return [*FLAGS, *flags]
    return [f"/clang:{flag}" if flag.startswith(("-f", "-m", "-O")) else flag for flag in [*CLANG_CL, *flags]]


def extensions() -> list[Extension]:
    """One optional library for each instruction set of this kind of machine."""
    variants = X86 if platform.machine().lower() in ("x86_64", "amd64") else OTHERS
    return [
        Extension(
            f"featherweight.engine._native_{name}",
            [f"{KERNELS}/engine.cpp"],
            depends=[str(path) for path in sorted(KERNELS.glob("*.hpp"))],
            extra_compile_args=compiled_with(flags),
            extra_link_args=["-pthread"] if sys.platform == "linux" else [],
            language="c++",
            optional=True,
        )
        for name, flags in variants.items()
    ]


class BuildKernels(build_ext):
    """Builds libraries that ctypes opens by their paths, named alike on every system and for every Python."""

    def get_ext_filename(self, fullname: str) -> str:
        """The file of a library."""
        return f"{fullname.replace('.', os.sep)}.so"

    def get_export_symbols(self, ext: Extension) -> list[str]:
        """None by name: the source says what it exports, and there is no `PyInit`."""
        return []

    def build_extension(self, ext: Extension) -> None:
        """Build one library, in a folder of its own: all are compiled from one source, at the same time."""
        own = copy.copy(self)
        own.build_temp = str(Path(self.build_temp) / ext.name)
        build_ext.build_extension(own, ext)

    def build_extensions(self) -> None:
        """Build all, and say so where none could be built; pip shows it with -v."""
        compiler: Any = self.compiler
        if compiler.compiler_type == "msvc" and (clang := shutil.which("clang-cl")):
            compiler.initialize()
            compiler.cc = clang
        super().build_extensions()
        built = [
            path for path in map(self.get_ext_fullpath, (ext.name for ext in self.extensions)) if Path(path).exists()
        ]
        if not built:
            sys.stderr.write(
                "WARNING: no C++ compiler could build featherweight's native engine, so PyTorch will train, about 7"
                " times slower. Install g++ or clang and install again, or use a wheel with kernels.\n"
            )


class KernelWheel(bdist_wheel):
    """A wheel for this system and any Python 3."""

    def get_tag(self) -> tuple[str, str, str]:
        """The tags of Python, of its binary interface (none is used), and of the system."""
        return "py3", "none", super().get_tag()[2]


def repository(settings: Mapping[str, Any], environment: Mapping[str, str]) -> str:
    """The address of the repository: that in pyproject.toml, else that of the workflow that builds this, else empty."""
    if declared := settings["featherweight"]["repository"]:
        return str(declared).rstrip("/")
    name = environment.get("GITHUB_REPOSITORY", "")
    return f"{environment.get('GITHUB_SERVER_URL', 'https://github.com')}/{name}" if name else ""


def addresses(repository: str) -> dict[str, str]:
    """What an index shows as [project.urls]; empty while there is no address."""
    places = {"Repository": "", "Documentation": "/tree/main/docs", "Issues": "/issues", "Releases": "/releases"}
    return {name: repository + place for name, place in places.items()} if repository else {}


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


def description(address: str) -> str:
    """The README of this source tree, with the addresses that hold where it is built."""
    version = os.environ.get("GITHUB_REF_NAME", "HEAD")  # a release is built from its tag
    return described(Path("README.md").read_text(encoding="utf-8"), address, version)


ADDRESS = repository(tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["tool"], os.environ)

setup(
    ext_modules=extensions(),
    cmdclass={"build_ext": BuildKernels, "bdist_wheel": KernelWheel},
    options={"build_ext": {"parallel": True}},  # the instruction sets side by side, 10 to 18 s of one processor each
    project_urls=addresses(ADDRESS),
    long_description=description(ADDRESS),
    long_description_content_type="text/markdown",
)
