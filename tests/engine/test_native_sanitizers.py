"""The kernels over random programs and each kernel: under sanitizers of memory, undefined behaviour and threads, and on
an emulated older processor."""

import platform
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest
import setuptools
from torch import nn

from featherweight.engine import native
from featherweight.engine.program import FRACTIONS, PLACES, WHOLE, Program, lower_for_training
from featherweight.networks.layers.blocks import Sum, squeeze_excite
from featherweight.networks.layers.kind import NONE
from random_networks import random_network

HERE = Path(__file__).parents[1]
PROGRAMS = 40


def written(program: Program, batch: int, threads: int) -> str:
    """A program as native_check.cpp reads it."""
    words = [batch, threads, len(program.nodes), len(program.sizes), len(program.values)]
    for node in program.nodes:
        words += [node.get(name, NONE if name in PLACES else 0) for name in (*WHOLE, *PLACES, *FRACTIONS)]
    for size in program.sizes:
        words += size
    for value in program.values:
        words += [value.numel(), int(not value.is_floating_point())]
    return " ".join(str(word) for word in words)


def every_kernel() -> list[str]:
    """Each kernel size, stride, width and pool on an odd image."""
    found = []
    for kernel in (1, 2, 3, 5, 7):
        for stride in (1, 2):
            for width in (1, 3, 6):
                convolution = nn.Conv2d(3, width, kernel, stride=stride, padding=kernel // 2)
                again = nn.Conv2d(width, width, kernel, padding=kernel // 2, groups=width if stride == 2 else 1)
                layers = convolution, nn.BatchNorm2d(width), nn.ReLU(), nn.Dropout(0.2), nn.MaxPool2d(2), again
                network = nn.Sequential(*layers, nn.AvgPool2d(2), nn.Flatten(), nn.LazyLinear(3))
                network(nn.Parameter(nn.init.zeros_(nn.Linear(1, 3 * 15 * 15).weight.view(1, 3, 15, 15))))
                found.append(written(lower_for_training(network, (3, 15, 15)), 9, 2))
    for dilation, stride in ((2, 1), (3, 2)):
        wide = nn.Conv2d(3, 5, 3, stride=stride, padding=dilation, dilation=dilation, groups=1)
        sums = Sum(nn.Conv2d(5, 7, 3, padding=1, stride=2), nn.Conv2d(5, 7, 1, stride=2)), squeeze_excite(7, 2)
        network = nn.Sequential(wide, nn.PReLU(5), *sums, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(7, 3))
        found.append(written(lower_for_training(network, (3, 15, 12)), 9, 2))
    grouped = nn.Conv2d(3, 6, 3), nn.GroupNorm(2, 6), nn.GELU("tanh"), nn.LayerNorm((6, 13, 10)), nn.MaxPool2d(2)
    network = nn.Sequential(*grouped, nn.Flatten(), nn.LayerNorm(180), nn.Linear(180, 3))
    found.append(written(lower_for_training(network, (3, 15, 12)), 9, 2))
    return found


LANES_8 = ["-DFW_LANES=8"]
LANES_16 = ["-DFW_LANES=16", "-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl", "-mfma"]
BF16 = pytest.mark.skipif(not native.multiplies_bf16(), reason="the CPU has no products of bfloat16")


@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no g++")
@pytest.mark.parametrize("lanes", [LANES_8, pytest.param(LANES_16, marks=[pytest.mark.slow, BF16])])
def test_no_memory_error_and_no_undefined_behaviour(lanes, tmp_path):
    """With 16 lanes, products of 1x1 convolutions are in bfloat16."""
    programs = every_kernel()
    assert len(programs) == 33
    for seed in range(PROGRAMS):
        network, shape, _ = random_network(seed)
        programs.append(written(lower_for_training(network, shape), 2 + seed % 19, 1 + seed % 3))
    checked(programs, ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", *lanes], tmp_path)


@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no g++")
def test_no_two_threads_touch_the_same_value(tmp_path):
    programs = []
    for seed in range(PROGRAMS, PROGRAMS + 12):
        network, shape, _ = random_network(seed)
        programs.append(written(lower_for_training(network, shape), 17 + seed % 19, 3))
    checked(programs, ["-fsanitize=thread", *LANES_8], tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++") or platform.machine() != "x86_64", reason="not x86-64, or no g++")
@pytest.mark.skipif(shutil.which("qemu-x86_64") is None, reason="there is no qemu-x86_64")
def test_a_processor_without_avx_gives_the_same_bits(tmp_path, monkeypatch):
    """A Nehalem of 2008, emulated, runs the kernels built as `base`; the build for AVX2 is one that it refuses."""
    monkeypatch.setattr(setuptools, "setup", lambda **given: None)
    built = runpy.run_path(str(HERE.parent / "setup.py"))
    programs = every_kernel()
    for seed in range(PROGRAMS):
        network, shape, _ = random_network(seed)
        programs.append(written(lower_for_training(network, shape), 2 + seed % 19, 1 + seed % 3))
    (tmp_path / "programs.txt").write_text("\n".join(programs))
    emulated = ["qemu-x86_64", "-cpu", "Nehalem"]
    for name, refused in (("base", False), ("avx2", True)):
        words = ["g++", *built["FLAGS"], *built["X86"][name], "-Wno-psabi", "-pthread", "-o", str(tmp_path / name)]
        subprocess.run([*words, str(HERE / "native_check.cpp")], check=True, capture_output=True)
        here, there = (
            subprocess.run([*ahead, tmp_path / name, tmp_path / "programs.txt"], capture_output=True, check=False)
            for ahead in ([], emulated)
        )
        assert here.stdout.split()[0] == str(len(programs)).encode()
        assert (there.returncode != 0) == refused and (there.stdout == here.stdout) != refused, (name, there)


def checked(programs: list[str], sanitizers: list[str], tmp_path: Path) -> None:
    """Compile the kernels with these sanitizers, run the programs, and find nothing."""
    (tmp_path / "programs.txt").write_text("\n".join(programs))
    # Not optimised: every access is checked as it is written, and the compiler takes a third of the time.
    flags = ["-std=c++17", "-O0", "-g", "-Wno-psabi", *sanitizers]
    flags += ["-DFW_REGISTERS=32", "-pthread", "-o", str(tmp_path / "check")]
    subprocess.run(["g++", *flags, str(HERE / "native_check.cpp")], check=True, capture_output=True)
    ran = subprocess.run([tmp_path / "check", tmp_path / "programs.txt"], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert ran.stdout.split()[0] == str(len(programs))
