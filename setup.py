"""Builds the native engine's kernels, once for each instruction set; everything else is in pyproject.toml.

Every extension is optional: where there is no C++ compiler, or it cannot, installation goes on without.
"""

import platform
import sys
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


setup(ext_modules=extensions())
