"""The plain C of exported programs: C tools read it as it lies, and it is clean under all of them."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pytest
import torch
from benchmarks import boards, cortex_m
from torch import nn

from exported import (
    BRANCHED_SHAPE,
    CURVED_SHAPE,
    IN_STEPS_SHAPE,
    NORMED_SHAPE,
    STREAMING_SHAPE,
    branched,
    curved,
    in_steps,
    lively,
    noise,
    normed,
    source,
    streaming,
)
from featherweight import dissect
from featherweight.export import c_source, integers
from featherweight.export.c_source import RUNTIME
from featherweight.export.fixed_point import FixedPoint, quantise
from featherweight.export.lowering import lower
from featherweight.export.memory import planned
from featherweight.export.proof import compiled_scores
from featherweight.export.source import Source, source_of
from featherweight.networks.architecture import build_layers
from featherweight.networks.layers.preprocessing import Deskew
from featherweight.search.fit.candidate import Candidate, candidate_layers
from featherweight.training.runs.trained import load_pretrained

STRICT = ["-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror"]
FITS = Path(__file__).parents[2] / "results" / "fit"
STUB = Path(__file__).parents[1] / "dsp"
"""Arm's DSP instructions in plain C."""
FORMS = {"small": [], "fast": ["-DMODEL_FAST"], "dsp": ["-DMODEL_FAST", "-D__ARM_FEATURE_DSP", "-isystem", str(STUB)]}


class Made(NamedTuple):
    of: Source
    fixed: FixedPoint
    folder: Path


def _made(of: Source, bits: int, where: Path) -> Made:
    """A network in integers, its program, and its tables alone."""
    fixed = quantise(lower(of.network, of.shape, bits), noise(40, of.shape), of.mean, of.std)
    for name, text in c_source.source_files(of, fixed, "noise").items():
        (where / name).parent.mkdir(parents=True, exist_ok=True)
        (where / name).write_text(text)
    (where / "tables.h").write_text(c_source.model_tables(of, fixed, planned(fixed)))
    return Made(of, fixed, where)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Made]:
    """Networks that together use every line of the runtime."""
    upright = lively(nn.Sequential(Deskew(), nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 100, 3)))
    given = [
        (replace(source_of(load_pretrained("f3")), name="model"), 8),
        (source(streaming(), STREAMING_SHAPE, 5, "model"), 4),
        (source(curved(), CURVED_SHAPE, 4, "model"), 2),
        (source(branched(), BRANCHED_SHAPE, 3, "model"), 8),
        (source(normed(), NORMED_SHAPE, 3, "model"), 8),
        (source(upright, (1, 12, 12), 3, "model"), 4),
    ]
    return [_made(of, bits, tmp_path_factory.mktemp("model")) for of, bits in given]


def _run(*command: str | Path) -> None:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}"


def _needs(tool: str) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"needs {tool}: apt-get install {tool}")


def test_it_is_c_and_nothing_else() -> None:
    files = sorted(RUNTIME.glob("*.[ch]"))
    assert len(files) >= 9 and not any("{{" in it.read_text() or "{%" in it.read_text() for it in files)


@pytest.mark.parametrize("language", [["-std=c99"], ["-x", "c++", "-std=c++17"]], ids=["c99", "c++17"])
@pytest.mark.parametrize(
    "target",
    ["gcc", "clang", "clang cortex-m0plus", "clang cortex-m4", "cortex-m0plus", "cortex-m4", "cortex-m7", "cortex-m33"],
)
def test_every_compiler_takes_it_without_a_warning(
    target: str, language: list[str], models: list[Made], tmp_path: Path
) -> None:
    *compiler, processor = target.rsplit(maxsplit=1)
    arm = processor.startswith("cortex")
    command = compiler or ["arm-none-eabi-gcc" if arm else target]
    _needs(command[0])
    if arm:
        command += ["-mthumb", f"-mcpu={processor}", "-fno-omit-frame-pointer"]  # r7 is then taken
    if arm and compiler:
        command += ["--target=arm-none-eabi", "-ffreestanding"]
    for made in models:
        for options in [FORMS["small"], FORMS["fast"], *([] if arm else [FORMS["dsp"]])]:
            _run(*command, *STRICT, *language, "-O2", *options, "-c", made.folder / "model.c", "-o", tmp_path / "it.o")


def test_clang_format_changes_nothing() -> None:
    _needs("clang-format")
    _run("clang-format", "--dry-run", "--Werror", *sorted(RUNTIME.glob("*.[ch]")))


@pytest.mark.parametrize("form", sorted(FORMS))
def test_clang_tidy_and_cppcheck_find_nothing(form: str, models: list[Made]) -> None:
    for tool in ("clang-tidy", "cppcheck"):
        _needs(tool)
    for made in models:
        files = RUNTIME / "network.c", RUNTIME / "main.c"
        _run("clang-tidy", "--quiet", *files, "--", "-std=c99", "-I", made.folder, *FORMS[form])
        defined = [word for word in FORMS[form] if word.startswith("-D")] or ["-Unothing"]
        _run("cppcheck", "--quiet", "--std=c99", "--enable=warning,style,performance,portability", "-D__GNUC__=12",
             "--error-exitcode=1", *defined, "-I", made.folder, made.folder / "model.c", *files[1:])  # fmt: skip


def test_no_mandatory_rule_of_misra_is_broken_and_the_page_names_the_others(models: list[Made]) -> None:
    """MISRA C:2012 with its amendments; rules by their numbers, since their texts may not be copied."""
    _needs("cppcheck")
    mandatory = {"9.1", "12.5", "13.6", "17.3", "17.4", "17.6", "19.1", "21.13", "21.17", "21.18", "21.19", "21.20",
                 "22.2", "22.4", "22.5", "22.6"}  # fmt: skip
    broken: set[str] = set()
    for made in models:
        said = subprocess.run(
            ["cppcheck", "--quiet", "--std=c99", "--enable=style", "--addon=misra", "-I", made.folder,
             made.folder / "model.c"], capture_output=True, text=True, check=True,
        ).stderr  # fmt: skip
        broken |= set(re.findall(r"misra-c2012-([\d.]+)", said))
    assert "12.1" in broken and not broken & mandatory
    page = (Path(__file__).parents[2] / "docs" / "boards.md").read_text(encoding="utf-8")
    named = re.search(r"departs from rules ([\d., and\n]+?)\.\s", page)
    assert named and broken <= set(re.findall(r"\d+\.\d+", named[1])), " ".join(sorted(broken))


@pytest.mark.parametrize("form", sorted(FORMS))
def test_the_files_as_they_lie_compute_what_the_single_file_does(form: str, models: list[Made], tmp_path: Path) -> None:
    """The runtime's own files beside a header and tables, and what inlining makes of both."""
    for number, made in enumerate(models):
        pictures = noise(12, made.of.shape, seed=3)
        expected = integers.integer_scores(made.fixed, pictures)
        apart = tmp_path / f"{number}"
        (apart / "example").mkdir(parents=True)
        shutil.copy(made.folder / "model.h", apart)
        shutil.copy(made.folder / "tables.h", apart)
        shutil.copy(RUNTIME / "main.c", apart / "example")
        shutil.copy(RUNTIME / "network.c", apart / "model.c")
        for folder in (made.folder, apart):
            found = compiled_scores("cc", ["-I", str(RUNTIME), *FORMS[form]], folder, made.of, pictures)
            assert (found == expected).all() and len(np.unique(expected)) > 5


@pytest.mark.skipif(bool(cortex_m.MISSING), reason=cortex_m.HOW_TO_GET)
@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("cpu", sorted(cortex_m.BOARDS))
def test_every_optimisation_gives_the_same_bytes_on_a_cortex_m(cpu: str, bits: int, tmp_path: Path) -> None:
    of = source(in_steps(), IN_STEPS_SHAPE, 3, "model")
    made = _made(of, bits, tmp_path)
    pictures = noise(4, of.shape, seed=3)
    given, expected = pictures.permute(0, 2, 3, 1).contiguous().numpy(), integers.integer_scores(made.fixed, pictures)
    program = cortex_m.Program(tmp_path, "model", ("MODEL_FAST",))
    for level in ("-O0", "-O1", "-O2", "-O3", "-Os"):
        found = cortex_m.emulated(program, cpu, given, level, classes=3)
        assert (found["scores"] == expected).all(), level


def _chosen(name: str) -> Source:
    """The network that `fit` chose, with random weights of as many bits."""
    about = json.loads((FITS / f"{name}.json").read_text(encoding="utf-8"))
    genes, shape = msgspec.convert(about["chosen"]["genes"], Candidate), tuple(about["data"]["shape"])
    classes = len(about["data"]["classes"])
    torch.manual_seed(0)
    network = build_layers(candidate_layers(genes), shape[0], classes)
    return replace(boards.made(name, network, shape, classes), bits=genes.bits)


@pytest.mark.skipif(bool(cortex_m.MISSING), reason=cortex_m.HOW_TO_GET)
@pytest.mark.parametrize(
    ("name", "bits", "cpu", "most"),
    [
        ("f3", 8, "cortex-m4", 2.0), ("smallest", 8, "cortex-m4", 3.5), ("cifar-mcu", 8, "cortex-m4", 2.2),
        ("f3", 4, "cortex-m4", 2.5), ("smallest", 4, "cortex-m4", 4.0), ("fit mnist", 4, "cortex-m4", 3.0),
        ("f3", 8, "cortex-m0plus", 5.5), ("smallest", 8, "cortex-m0plus", 8.0),
    ],
)  # fmt: skip
def test_the_faster_code_takes_so_many_instructions_a_multiply_add(
    name: str, bits: int, cpu: str, most: float, tmp_path: Path
) -> None:
    of = replace(_chosen(name.split()[1]) if name.startswith("fit ") else boards.record(name), name="model")
    assert name[:4] != "fit " or of.bits == bits
    made = _made(of, bits, tmp_path)
    pictures = noise(2, of.shape, seed=3)
    given = pictures.permute(0, 2, 3, 1).contiguous().numpy()
    found = cortex_m.emulated(cortex_m.Program(tmp_path, "model", ("MODEL_FAST",)), cpu, given, "-O2")
    assert (found["scores"] == integers.integer_scores(made.fixed, pictures)).all()
    assert found["instructions"] / dissect(of.network, of.shape).macs <= most
