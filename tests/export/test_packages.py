"""Packages build in the tools that are here, or against stand-ins for their headers, and their check tells right from
wrong."""

import io
import json
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tomllib
import torch
from torch import nn

from commands import Run
from exported import lively, lowered, noise, source
from featherweight.experiments.calibration import Calibration
from featherweight.export import FORMS, c_source
from featherweight.export.fixed_point import quantise
from featherweight.export.packages import CHECKS, PACKAGES, frame_files, library_zip, named, package_files

STUBS = Path(__file__).parent / "stubs"
SHAPE = (3, 6, 5)
HOSTILE = ('"; */ ${x} #{', "é\n", "$(rm)", "plain")
PASS, FAIL = r"PASS: 10 pictures in \d+\.\d+ ms\n", r"FAIL: picture \d\n"
CC = ["gcc", "-std=c99", "-O1", "-Wall", "-Wextra", "-Werror"]


@pytest.fixture(scope="module")
def packages() -> dict[str, dict[str, str]]:
    """The files of each form of package of one small network, whose classes have names that would be code."""
    return made_packages(None)


def made_packages(known: Calibration | None) -> dict[str, dict[str, str]]:
    torch.manual_seed(3)
    network = lively(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(48, 4)))
    of = replace(source(network, SHAPE, 4, "tiny_net"), classes=HOSTILE, experiment='a"b', tested="*/ int x; /*")
    of = replace(of, calibration=known)
    pictures = noise(40, SHAPE)
    with torch.no_grad():
        fixed = quantise(lowered(of), pictures, of.mean, of.std)
    program = c_source.source_files(of, fixed, "noise")
    program |= frame_files(of)
    assert len(program) == 6
    made = {form: package_files(form, of, fixed, program, pictures) for form in PACKAGES}
    for files in made.values():
        assert all(files[f"src/{name}"] == program[name] for name in ("tiny_net.c", "tiny_net.h"))
    return made


Written = Callable[..., Path]


@pytest.fixture
def written(packages: dict[str, dict[str, str]], tmp_path: Path) -> Written:
    """Writes a package into a folder; with its first weight changed, or with "none of these", if asked."""

    def write(form: str, *, broken: bool = False, known: Calibration | None = None) -> Path:
        folder = tmp_path / f"tiny_net-{form}"
        for name, text in (made_packages(known) if known else packages)[form].items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            if broken and name == "src/tiny_net.c":
                text, count = re.subn(r"(weights\[\] = \{\s+)(-?\d+)", r"\1 ~\2", text)
                assert count == 1
            (folder / name).write_text(text)
        return folder

    return write


def run(command: list[Any], *, folder: Path, status: int = 0) -> str:
    done = subprocess.run([str(word) for word in command], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def test_every_package_is_a_form_and_no_placeholder_is_left(packages: dict[str, dict[str, str]]) -> None:
    assert set(FORMS) == {"onnx", "c", "page", *packages} and len(packages) == 7
    for form, files in packages.items():
        shared = {f"src/tiny_net{end}" for end in (".c", ".h", "_check.c", "_check.h")}
        assert "src/tiny_net_frame.c" in files
        assert shared < set(files), form
        for name, text in files.items():
            assert not re.search(r"@[A-Z]+@|(?<![A-Za-z])(?:model|MODEL)_|\bmodel\.", name + text), (form, name)
            assert name.startswith("src/tiny_net.") or not any(word in text for word in (*HOSTILE[:3], 'a"b', "int x"))


@pytest.mark.parametrize("form", ["arduino", "platformio", "zephyr", "esp-idf", "micropython", "cmake"])
@pytest.mark.parametrize("broken", [False, True])
def test_the_check_compiles_passes_and_finds_a_broken_weight(written: Written, form: str, broken: bool) -> None:
    folder = written(form, broken=broken)
    mains = {"zephyr": "samples/check/src/main.c", "esp-idf": "examples/check/main/main.c", "micropython": "mod.c",
             "cmake": "check.c"}  # fmt: skip
    program = tuple(folder / "src" / f"tiny_net{end}.c" for end in ("", "_check", "_frame"))
    objects = [folder / f"{path.stem}.o" for path in program]
    for path, to in zip(program, objects, strict=True):
        run([*CC, "-pedantic", "-c", path, "-o", to], folder=folder)
    if form in mains:
        run([*CC, f"-I{STUBS}", "-Isrc", mains[form], *objects, "-o", "check"], folder=folder)
    else:
        sketch = ["-x", "c++", "-include", STUBS / "Arduino.h", "examples/check/check.ino", "-x", "none"]
        run(["g++", "-Wall", "-Wextra", "-Werror", "-Isrc", *sketch, *objects, "-o", "check"], folder=folder)
    wrong_picture = "a picture has 90 bytes\n"
    out = run(["./check"], folder=folder, status=3 if form == "micropython" else int(broken and form == "cmake"))
    assert re.match((FAIL if broken else PASS) + ("[0-3] " if form == "micropython" else "$"), out), out
    assert form != "micropython" or out.endswith("frame 7 of 90\n" + wrong_picture)


@pytest.mark.skipif(shutil.which("cmake") is None, reason="needs CMake: pip install cmake")
def test_cmake_builds_checks_installs_and_is_found(written: Written, tmp_path: Path) -> None:
    folder = written("cmake")
    run(["cmake", "-B", "build", f"-DCMAKE_INSTALL_PREFIX={tmp_path / 'there'}", "-DTINY_NET_FAST=ON"], folder=folder)
    run(["cmake", "--build", "build"], folder=folder)
    assert re.search(PASS, run(["ctest", "--test-dir", "build", "-V"], folder=folder))
    run(["cmake", "--install", "build"], folder=folder)
    user = tmp_path / "user"
    user.mkdir()
    (user / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.15)\nproject(user LANGUAGES C)\nfind_package(tiny_net_network REQUIRED)\n"
        "add_executable(user user.c)\ntarget_link_libraries(user PRIVATE tiny_net_network::tiny_net_network)\n"
    )
    (user / "user.c").write_text(
        "#include <tiny_net_frame.h>\nint main(void) { static uint8_t frame[300], picture[TINY_NET_PIXELS];"
        " int16_t scores[TINY_NET_CLASSES]; return !tiny_net_frame(frame, 10, 10, 30, TINY_NET_RGB888, picture)"
        " || tiny_net_read(picture, scores) < 0; }\n"
    )
    run(["cmake", "-B", "build", f"-DCMAKE_PREFIX_PATH={tmp_path / 'there'}"], folder=user)
    run(["cmake", "--build", "build"], folder=user)
    run(["build/user"], folder=user)


@pytest.mark.skipif(shutil.which("rustc") is None, reason="needs Rust: https://rustup.rs")
@pytest.mark.parametrize("broken", [False, True])
def test_the_crate_passes_its_own_test(written: Written, broken: bool) -> None:
    """As `cargo test` does, whose build script needs the crate `cc` from the network."""
    folder = written("rust", broken=broken)
    about = tomllib.loads((folder / "Cargo.toml").read_text())
    assert about["package"]["name"] == "tiny_net_network" and list(about["build-dependencies"]) == ["cc"]
    objects = ["tiny_net.o", "tiny_net_check.o", "tiny_net_frame.o"]
    for name in objects:
        run([*CC, "-c", f"src/{name[:-2]}.c", "-o", name], folder=folder)
    run(["ar", "rcs", "libtiny_net_c.a", *objects], folder=folder)
    rustc = ["rustc", "--edition", "2021", "-D", "warnings", "-L", "."]
    crate = ["--crate-name", "tiny_net_network", "--crate-type", "rlib", "-l", "static=tiny_net_c"]
    run([*rustc, *crate, "src/lib.rs"], folder=folder)
    run([*rustc, "--test", "--extern", "tiny_net_network=libtiny_net_network.rlib", "tests/check.rs"], folder=folder)
    out = run(["./check", "--nocapture"], folder=folder, status=101 if broken else 0)
    assert broken or re.search(PASS, out)


def test_the_tools_own_files_are_what_their_tools_read(packages: dict[str, dict[str, str]]) -> None:
    properties = dict(line.split("=", 1) for line in packages["arduino"]["library.properties"].splitlines())
    assert {"name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url",
            "architectures", "includes"} == set(properties)  # fmt: skip
    assert (properties["name"], properties["includes"]) == ("tiny_net_network", "tiny_net.h")
    about = json.loads(packages["platformio"]["library.json"])
    assert (about["name"], about["headers"]) == ("tiny_net_network", "tiny_net.h")
    for example in about["examples"]:
        assert {f"{example['base']}/{name}" for name in example["files"]} <= set(packages["platformio"])
    zephyr = packages["zephyr"]
    options = set(re.findall(r"^(?:menu)?config (\w+)$", zephyr["Kconfig"], re.MULTILINE))
    assert len(options) == 3
    used = zephyr["CMakeLists.txt"] + zephyr["samples/check/prj.conf"]
    assert {word for word in re.findall(r"CONFIG_(\w+)", used) if word != "PRINTK"} == options
    for form, file in (("zephyr", "CMakeLists.txt"), ("esp-idf", "CMakeLists.txt"), ("micropython", "Makefile"),
                       ("rust", "build.rs"), ("cmake", "CMakeLists.txt")):  # fmt: skip
        sources = re.findall(r"\b[\w/]+\.c\b", packages[form][file])
        assert {"src/tiny_net.c", "src/tiny_net_check.c"} <= set(sources) <= set(packages[form]), form


@pytest.mark.parametrize("form", ["arduino", "platformio", "esp-idf"])
def test_the_example_for_a_camera_compiles(written: Written, form: str) -> None:
    """Against stand-ins for the camera's and the system's headers; both are C, and one is compiled as C++."""
    folder = written(form)
    where = folder / "examples/camera"
    strict = ["-Wall", "-Wextra", "-Werror", "-Wno-missing-field-initializers"]
    options = [*strict, f"-I{STUBS}", "-Isrc", "-c", "-o", "it.o"]
    if form == "esp-idf":
        run(["gcc", "-std=c99", *options, where / "main/main.c"], folder=folder)
    else:
        cpp = ["g++", *options, "-include", STUBS / "Arduino.h", "-x", "c++", where / "camera.ino"]
        run(cpp, folder=folder)
    wanted = set(run(["nm", "-u", "it.o"], folder=folder).split())
    assert {"tiny_net_frame", "tiny_net_read", "tiny_net_names", "esp_camera_fb_get"} <= wanted


REFUSING = Calibration(temperature=1.0, threshold=1e6, least_probability=None, held_out=100, by="itself")


def test_a_package_that_may_refuse_says_so_in_its_example(written: Written) -> None:
    folder = written("esp-idf", known=REFUSING)
    run(["gcc", "-std=c99", f"-I{STUBS}", "-Isrc", "-c", "-o", "it.o", "examples/camera/main/main.c"], folder=folder)
    assert "tiny_net_known" in run(["nm", "-u", "it.o"], folder=folder).split()
    folder = written("micropython", known=REFUSING)
    program = ["mod.c", *(f"src/tiny_net{end}.c" for end in ("", "_check", "_frame"))]
    run([*CC, f"-I{STUBS}", "-Isrc", *program, "-o", "check"], folder=folder)
    assert "\n-1 none of these" in run(["./check"], folder=folder, status=3)


@pytest.mark.skipif(shutil.which("rustc") is None, reason="needs Rust: https://rustup.rs")
def test_a_crate_that_may_refuse_gives_no_class(written: Written) -> None:
    folder = written("rust", known=REFUSING)
    objects = ["tiny_net.o", "tiny_net_check.o", "tiny_net_frame.o"]
    for name in objects:
        run([*CC, "-c", f"src/{name[:-2]}.c", "-o", name], folder=folder)
    run(["ar", "rcs", "libtiny_net_c.a", *objects], folder=folder)
    rustc = ["rustc", "--edition", "2021", "-D", "warnings", "-L", "."]
    crate = ["--crate-name", "tiny_net_network", "--crate-type", "rlib", "-l", "static=tiny_net_c"]
    run([*rustc, *crate, "src/lib.rs"], folder=folder)
    (folder / "main.rs").write_text(
        "use tiny_net_network::*;\nfn main() {\n    assert_eq!(known(&[9, 0, 0, 0]), None);\n"
        "    let mut picture = [0; PIXELS];\n"
        "    assert!(frame(&[7; 640], 20, 32, 20, Format::Grey, &mut picture) && picture == [7; PIXELS]);\n"
        "    assert!(!frame(&[7; 639], 20, 32, 20, Format::Grey, &mut picture));\n"
        "    assert!(!frame(&[7; 640], 40, 32, 20, Format::Grey, &mut picture));\n}\n"
    )
    run([*rustc, "--extern", "tiny_net_network=libtiny_net_network.rlib", "main.rs"], folder=folder)
    run(["./main"], folder=folder)


def test_digits_have_no_frames_and_nothing_names_them() -> None:
    of = source(nn.Sequential(nn.Flatten(), nn.Linear(784, 10)).eval(), (1, 28, 28), 10)
    of = replace(of, classes=tuple("0123456789"))
    with torch.no_grad():
        fixed = quantise(lowered(of), noise(20, of.shape), of.mean, of.std)
    program = c_source.source_files(of, fixed, "noise")
    assert frame_files(of) == {}
    for form in PACKAGES:
        files = package_files(form, of, fixed, program, noise(5, of.shape))
        named_in = [name for name, text in files.items() if "_frame" in name + text or "camera" in name]
        assert named_in == [] and files["src/odd.c"] == program["odd.c"], form


def test_the_library_is_a_zip_file_with_one_folder_and_always_the_same_bytes(
    packages: dict[str, dict[str, str]],
) -> None:
    content = library_zip(packages["arduino"], "tiny_net-arduino")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert {one.date_time for one in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        found = {name: archive.read(name).decode() for name in archive.namelist()}
    assert found == {f"tiny_net-arduino/{name}": text for name, text in packages["arduino"].items()}
    assert content == library_zip(packages["arduino"], "tiny_net-arduino")


def test_names_take_the_place_of_whole_words() -> None:
    assert named("model_check.c CONFIG_MODEL_FAST model.h", "a1") == "a1_check.c CONFIG_A1_FAST a1.h"
    assert named("models remodel_ MODELS MODEL", "a1") == "models remodel_ MODELS MODEL"


def test_fewer_pictures_than_ten_are_all_in_the_check() -> None:
    of = source(nn.Sequential(nn.Flatten(), nn.Linear(90, 4)).eval(), SHAPE, 4)
    with torch.no_grad():
        fixed = quantise(lowered(of), noise(20, SHAPE), of.mean, of.std)
    program = c_source.source_files(of, fixed, "noise")
    for count, held in ((3, 3), (CHECKS, CHECKS), (37, CHECKS)):
        files = package_files("cmake", of, fixed, program, noise(count, SHAPE))
        assert f"#define ODD_CHECKS {held}\n" in files["src/odd_check.h"]


def test_export_writes_the_library_its_zip_and_its_manifest(run: Run, alone: Path) -> None:
    status, out, _ = run("export", "f3", "--to", "arduino", "--out", "there")
    assert status == 0 and "wrote there/f3-arduino.zip\n" in out
    about = json.loads(Path("there/f3-arduino.json").read_text())
    assert about["form"] == "arduino" and about["proof"]["different_answers"] < 3
    assert {"f3-arduino/src/f3.c", "f3-arduino/library.properties", "f3-arduino.zip", "f3-card.md"} < set(
        about["files"]
    )
    for name, one in about["files"].items():
        assert (Path("there") / name).stat().st_size == one["bytes"]
    assert sorted(path.name for path in Path("there").iterdir()) == [
        "f3-arduino", "f3-arduino.json", "f3-arduino.zip", "f3-card.md"
    ]  # fmt: skip
