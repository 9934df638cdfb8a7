"""The C program gives the bytes that the Python integers give, compiles cleanly and fits small processors."""

import json
import math
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks import cortex_m
from torch import Tensor, nn

from exported import (
    BRANCHED_SHAPE,
    CURVED_SHAPE,
    EACH_ITS_OWN_SHAPE,
    IN_STEPS_SHAPE,
    MNIST,
    NARROW_SHAPE,
    NORMED_SHAPE,
    ODD_SHAPE,
    STREAMING_SHAPE,
    branched,
    curved,
    each_its_own,
    in_steps,
    lively,
    lowered,
    mapped,
    narrow,
    noise,
    normed,
    odd,
    pooled_last,
    relu_last,
    source,
    streaming,
)
from featherweight import data as datasets
from featherweight.data.dataset import Data
from featherweight.errors import UsageError
from featherweight.export import c_source, execute, integers
from featherweight.export.fixed_point import FixedPoint, Scale, _looked_up, _quantise_norm, fitting, quantise
from featherweight.export.lowering import Step, lower
from featherweight.export.memory import memory_report, planned, rehearsal
from featherweight.export.proof import compiled_scores, network_probabilities, normalise_pictures
from featherweight.export.source import Source, calibration_of, source_of
from featherweight.networks.layers.activations import CURVES
from featherweight.training.runs.trained import load_pretrained

STRICT = ["-Wall", "-Wextra", "-Werror", "-pedantic"]
DSP = ["-D__ARM_FEATURE_DSP", "-I", str(Path(__file__).parents[1] / "dsp")]
"""The code for Arm's DSP extension, whose instructions are written in C there."""
SANITIZED = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


@pytest.fixture(scope="module", params=["gcc", "clang"])
def compiler(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A compiler that is here and can link its sanitizers, which some systems pack apart from it."""
    name = str(request.param)
    if shutil.which(name) is None:
        pytest.skip(f"needs {name}: apt-get install {name}")
    command = [name, *SANITIZED, "-x", "c", "-", "-o", str(tmp_path_factory.mktemp(name) / "nothing")]
    if subprocess.run(command, input=b"int main(void) { return 0; }", capture_output=True, check=False).returncode:
        pytest.skip(f"{name} is here without its sanitizers: apt-get install --install-recommends {name}")
    return name


def made(of: Source, pictures: Tensor) -> FixedPoint:
    with torch.no_grad():
        return quantise(lowered(of), pictures, of.mean, of.std)


def written(of: Source, network: FixedPoint, where: Path) -> Path:
    for name, text in c_source.source_files(of, network, "noise").items():
        (where / name).parent.mkdir(parents=True, exist_ok=True)
        (where / name).write_text(text)
    return where


@pytest.fixture(scope="module")
def mnist() -> Data:
    return datasets.load("mnist")


@pytest.fixture(scope="module")
def flagship() -> Source:
    return source_of(load_pretrained("f3"))


@pytest.fixture(scope="module")
def digits() -> Data:
    return datasets.load("digits")


# ------------------------------------------------------------------------------------------- the integers


def test_a_stage_computes_what_its_description_says_by_hand() -> None:
    torch.manual_seed(4)
    network = nn.Sequential(nn.Conv2d(1, 2, 2), nn.ReLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(2, 3))
    fixed = made(source(network.eval(), (1, 2, 2), 3), noise(50, (1, 2, 2)))
    picture = [[17, 255], [0, 101]]
    first, _, last = fixed.stages
    hidden = []
    for kernel, bias, multiplier in zip(first.weights, first.bias, first.multipliers, strict=True):
        total = int(bias) + sum(int(kernel[0, y, x]) * picture[y][x] for y in (0, 1) for x in (0, 1))
        hidden.append(min(255, ((total >> first.before) * int(multiplier)) >> first.after) if total > 0 else 0)
    scores = []
    for kernel, bias, multiplier in zip(last.weights, last.bias, last.multipliers, strict=True):
        total = int(bias) + sum(int(weight) * value for weight, value in zip(kernel.ravel(), hidden, strict=True))
        scores.append(min(65535, ((total >> last.before) * int(multiplier)) >> last.after) - 32768)
    assert any(hidden)
    assert integers.integer_scores(fixed, torch.tensor(picture, dtype=torch.uint8)[None, None]).tolist() == [scores]


@pytest.mark.parametrize(
    ("network", "shape", "classes", "within"),
    [
        (odd(), ODD_SHAPE, 7, 0.15),
        (pooled_last(), (1, 9, 12), 3, 0.03),
        (relu_last(), (1, 14, 28), 4, 0.03),
        (branched(), BRANCHED_SHAPE, 3, 0.1),
        (curved(), CURVED_SHAPE, 4, 0.3),
        (normed(), NORMED_SHAPE, 3, 0.1),
    ],
)
def test_eight_bits_stay_near_the_float_network(
    network: nn.Module, shape: tuple[int, int, int], classes: int, within: float
) -> None:
    of = source(network, shape, classes)
    pictures = noise(300, shape)
    fixed = made(of, pictures[:200])
    with torch.no_grad():
        floats = execute.scores(lowered(of), normalise_pictures(of, pictures)).numpy()
    error = np.abs(integers.integer_scores(fixed, pictures) / 2**fixed.score_bits - floats).mean()
    assert error < within * floats.std()


def test_an_activation_is_looked_up_as_its_formula_says() -> None:
    """Of a scale of 1/32 around 128 and one of 1/16 around 10: q is x = (q - 128) / 32, and becomes 10 + 16 f(x)."""
    source, result = Scale(step=1 / 32, zero=128), Scale(step=1 / 16, zero=10)
    numbers = [0, 32, 64, 128, 160, 224, 255]
    formulas: dict[str, Callable[[float], float]] = {
        "silu": lambda x: x / (1 + math.exp(-x)), "hard swish": lambda x: x * min(max(x + 3, 0), 6) / 6,
        "sigmoid": lambda x: 1 / (1 + math.exp(-x)), "hard sigmoid": lambda x: min(max(x + 3, 0), 6) / 6,
        "tanh": math.tanh,
        "gelu": lambda x: 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    }  # fmt: skip
    assert set(formulas) == set(CURVES)
    for kind, formula in formulas.items():
        table = _looked_up(Step(kind=kind, name=""), source, result)
        expected = [min(255, max(0, 10 + round(16 * formula((q - 128) / 32)))) for q in numbers]
        assert table.shape == (256,) and table[numbers].tolist() == expected, kind


def test_a_norm_of_each_picture_is_the_definition_in_whole_numbers() -> None:
    """By Python's own integers and fractions: no more than half a step from the quotient, and exact where it is cut."""
    weight, bias = torch.tensor([1.5, -0.5, 0.25, 2.0]).reshape(4, 1, 1), torch.tensor([0.5, 0.0, -1.0, 3.0])
    step = Step(kind="group norm", name="", groups=2, kernel=(3, 5), stride=(0, 0), eps=0.1, weight=weight,
                bias=bias.reshape(4, 1, 1))  # fmt: skip
    source, result = Scale(step=1 / 8, zero=100), Scale(step=1 / 32, zero=90)
    stage = _quantise_norm(step, source, result, 255, 8)
    values = torch.randint(0, 256, (3, 4, 3, 5), generator=torch.Generator().manual_seed(5))
    values[0, :2] = 77  # nothing to divide by but the epsilon
    found = integers._carry_out(stage, values.double(), [])
    for image in range(3):
        for channel in range(4):
            group = values[image, channel // 2 * 2 :][:2].flatten().tolist()
            mean = Fraction(sum(group), len(group))
            variance = Fraction(sum(value * value for value in group), len(group)) - mean * mean
            deviation = math.sqrt(variance / 64 + Fraction(1, 10)) * 8  # in steps of the source
            for value, got in zip(values[image, channel].flatten(), found[image, channel].flatten(), strict=True):
                normal = float(int(value) - mean) / deviation * float(weight[channel]) + float(bias[channel])
                assert abs(min(255.0, max(0.0, 90 + 32 * normal)) - got.item()) < 0.56


def test_a_clip_is_the_end_of_a_scale() -> None:
    network = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU6(), nn.Flatten(), nn.Linear(4, 2)).eval()
    with torch.no_grad():
        network[0].weight.fill_(10)
        network[0].bias.zero_()
    fixed = made(source(network, (1, 2, 2), 2), noise(50, (1, 2, 2)))
    assert [stage.step.kind for stage in fixed.stages] == ["convolution", "convolution"]  # nothing is added for it
    first = fixed.stages[0]

    def becomes(pixel: int) -> int:
        total = int(first.bias[0]) + int(first.weights.item()) * pixel
        return min(255, ((max(total, 0) >> first.before) * int(first.multipliers[0])) >> first.after)

    # A pixel enters as (p / 255 - 0.13) / 0.31, ten times as much is 6 at p = 80.6 and 3 at 56.9.
    assert becomes(33) == 0 and becomes(81) == becomes(255) == 255 and abs(becomes(57) - 128) <= 2


def test_a_scale_covers_what_was_seen_and_gives_up_outliers() -> None:
    scale = fitting(torch.tensor([-1.0, 0.0, 4.1]))
    assert (scale.zero, round(scale.step * 255, 2)) == (50, 5.1)
    # Ending at c, it errs by (c / 255)^2 / 12 and, for the one that is 2, by (2 - c)^2 / 100,000: least at 1.773.
    many = torch.rand(99_999, generator=torch.Generator().manual_seed(1))
    assert abs(fitting(torch.cat([many, torch.tensor([2.0])])).step * 255 - 1.773) < 0.03


def test_without_a_picture_there_is_no_scale() -> None:
    with pytest.raises(UsageError, match="measured on pictures; give at least one"):
        made(source(relu_last(), (1, 14, 28), 4), noise(2, (1, 14, 28))[:0])


# ------------------------------------------------------------------------------------------- the C program


@pytest.mark.parametrize(
    ("network", "shape", "classes"),
    [
        (odd(), ODD_SHAPE, 7),
        (pooled_last(), (1, 9, 12), 3),
        (relu_last(), (1, 14, 28), 4),
        (in_steps(), IN_STEPS_SHAPE, 3),
        (branched(), BRANCHED_SHAPE, 3),
        (streaming(), STREAMING_SHAPE, 5),
        (mapped(), (1, 24, 20), 6),
        (curved(), CURVED_SHAPE, 4),
        (normed(), NORMED_SHAPE, 3),
        (narrow(), NARROW_SHAPE, 5),
        (each_its_own(), EACH_ITS_OWN_SHAPE, 5),
    ],
)
@pytest.mark.parametrize("macro", [[], ["-DODD_FAST"], ["-DODD_FAST", *DSP]], ids=["small", "fast", "dsp"])
def test_unusual_networks_give_the_same_bytes_in_c_under_sanitizers(
    network: nn.Module, shape: tuple[int, int, int], classes: int, macro: list[str], compiler: str, tmp_path: Path
) -> None:
    of = source(network, shape, classes)
    pictures = noise(60, shape)
    fixed = made(of, pictures)
    folder = written(of, fixed, tmp_path)
    assert "defined(ODD_FAST)" in (folder / "odd.c").read_text()
    found = compiled_scores(compiler, [*STRICT, *SANITIZED, *macro], folder, of, pictures)
    expected = integers.integer_scores(fixed, pictures)
    assert (found == expected).all() and len(np.unique(expected)) > 30


@pytest.mark.parametrize("bits", [4, 2])
@pytest.mark.parametrize("macro", [[], ["-DODD_FAST", *DSP]], ids=["small", "dsp"])
def test_packed_weights_give_the_same_bytes_in_c_under_sanitizers(
    macro: list[str], bits: int, compiler: str, tmp_path: Path
) -> None:
    """Kernels of odd sizes, which begin within a byte or do not; and rows that are taken in one by one."""
    for number, (network, shape, classes) in enumerate(
        [
            (narrow(), NARROW_SHAPE, 5),
            (streaming(), STREAMING_SHAPE, 5),
            (in_steps(), IN_STEPS_SHAPE, 3),
            (each_its_own(), EACH_ITS_OWN_SHAPE, 5),
        ]
    ):
        of = replace(source(network, shape, classes), bits=bits)
        pictures = noise(30, shape)
        with torch.no_grad():
            fixed = quantise(lower(network, shape, bits), pictures, of.mean, of.std)
        folder = tmp_path / f"{number}"
        found = compiled_scores(compiler, [*STRICT, *SANITIZED, *macro], written(of, fixed, folder), of, pictures)
        expected = integers.integer_scores(fixed, pictures)
        assert (found == expected).all() and len(np.unique(expected)) > 5


@pytest.mark.parametrize("macro", [[], ["-DF3_FAST"], ["-DF3_FAST", *DSP]], ids=["small", "fast", "dsp"])
def test_the_flagship_gives_the_same_bytes_in_c_under_sanitizers(
    macro: list[str], compiler: str, flagship: Source, digits: Data, tmp_path: Path
) -> None:
    fixed = made(flagship, digits.train.images[::8])
    folder = written(flagship, fixed, tmp_path)
    pictures = torch.cat([digits.test.images, noise(40, (1, 28, 28))])
    found = compiled_scores(compiler, [*STRICT, *SANITIZED, *macro], folder, flagship, pictures)
    assert (found == integers.integer_scores(fixed, pictures)).all()


@MNIST
@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler: apt-get install gcc")
def test_all_test_digits_give_the_same_bytes_and_hardly_a_worse_accuracy(
    flagship: Source, mnist: Data, tmp_path: Path
) -> None:
    pictures, _ = calibration_of(mnist)
    fixed = made(flagship, pictures)
    expected = integers.integer_scores(fixed, mnist.test.images)
    found = compiled_scores("cc", ["-O3"], written(flagship, fixed, tmp_path), flagship, mnist.test.images)
    assert found.shape == (10_000, 10) and (found == expected).all()
    labels = mnist.test.labels.numpy()
    floats = network_probabilities(flagship, mnist.test.images).argmax(1)
    assert 100 * ((floats == labels).mean() - (expected.argmax(1) == labels).mean()) <= 0.05


def test_the_same_network_gives_the_same_files(flagship: Source, digits: Data) -> None:
    first, second = (
        c_source.source_files(flagship, made(flagship, digits.train.images[::16]), "digits") for _ in ("once", "again")
    )
    assert first == second
    assert sorted(first) == ["example/main.c", "f3.c", "f3.h", "f3.ino"]


def test_only_whole_numbers_and_no_library_are_in_the_program(flagship: Source, digits: Data) -> None:
    text = c_source.source_files(flagship, made(flagship, digits.train.images[::16]), "digits")["f3.c"]
    included = [line.split(" /*")[0] for line in text.splitlines() if line.startswith("#include")]
    assert included == ['#include "f3.h"', "#include <arm_acle.h>"]  # the second is the compiler's own, for Arm alone
    assert not {"float", "double", "malloc"} & set(text.replace("(", " ").split())


@pytest.mark.parametrize("name", ['a "quoted" one', "ends */ a comment", "what??/", "Größe\a"])
def test_no_name_of_a_class_breaks_out_of_the_program(name: str, tmp_path: Path) -> None:
    of = source(relu_last(), (1, 14, 28), 4)
    of = Source(**{**vars(of), "classes": (name, "b", "c", "d")})
    fixed = made(of, noise(20, (1, 14, 28)))
    found = compiled_scores("cc", STRICT, written(of, fixed, tmp_path), of, noise(3, (1, 14, 28)))
    assert found.shape[1] == 4


def test_a_class_keeps_a_name_that_looks_like_the_program_s_own() -> None:
    of = replace(source(relu_last(), (1, 14, 28), 4), name="f9", classes=("model_t", "MODEL_B", "model.h", "d"))
    text = c_source.source_files(of, made(of, noise(20, (1, 14, 28))), "noise")["f9.c"]
    assert 'f9_names[F9_CLASSES] = { "model_t", "MODEL_B", "model.h", "d" };' in text and '#include "f9.h"' in text


# ------------------------------------------------------------------------------------------- drawings


def test_only_networks_for_digits_prepare_drawings(flagship: Source, digits: Data) -> None:
    fixed = made(flagship, digits.train.images[::16])
    clothes = replace(flagship, classes=tuple(f"piece {number}" for number in range(10)))
    texts = [c_source.source_files(source, fixed, "digits") for source in (flagship, clothes)]
    told = [["f3_normalise" in one["f3.h"], "0 is paper" in one["f3.h"]] for one in texts]
    assert told == [[True, True], [False, False]] and "piece 7" in texts[1]["f3.c"]


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler: apt-get install gcc")
def test_a_drawing_is_prepared_as_everywhere_else(flagship: Source, digits: Data, tmp_path: Path) -> None:
    folder = written(flagship, made(flagship, digits.train.images[::16]), tmp_path)
    expected = json.loads((Path(__file__).parents[1] / "drawing.json").read_text())
    ink = [bytes.fromhex(row) for row in expected["ink"]]
    program = folder / "prepare.c"
    program.write_text(
        '#include <stdio.h>\n#include "f3.h"\nstatic uint8_t ink[65536], picture[784];\n'
        f"int main(void) {{ fread(ink, 1, sizeof ink, stdin);\nf3_normalise(ink, {len(ink)}, {len(ink[0])}, picture);\n"
        "return fwrite(picture, 1, 784, stdout) != 784; }\n"
    )
    command = ["cc", "-std=c99", *SANITIZED, program, folder / "f3.c", "-o", folder / "prepare"]
    subprocess.run([str(word) for word in command], check=True)
    done = subprocess.run([str(folder / "prepare")], input=b"".join(ink), capture_output=True, check=True)
    assert [done.stdout[28 * row : 28 * row + 28].hex() for row in range(28)] == expected["picture"]


# ------------------------------------------------------------------------------------------- memory


@pytest.mark.parametrize(
    ("network", "shape", "classes", "sums"),
    [(odd(), ODD_SHAPE, 7, 2), (branched(), BRANCHED_SHAPE, 3, 6), (streaming(), STREAMING_SHAPE, 5, 1)],
)
def test_rows_are_kept_as_long_as_somebody_needs_them(
    network: nn.Module, shape: tuple[int, int, int], classes: int, sums: int
) -> None:
    fixed = made(source(network, shape, classes), noise(20, shape))
    memory = planned(fixed)
    steps = [stage.step for stage in fixed.stages]
    parts = [1 if stream is None else step.kernel[0] for step, stream in zip(steps, memory.streams, strict=True)]
    count = 0
    for index, turns in rehearsal(fixed):
        made_so_far = [fixed.sizes[0][1], *(turn // part for turn, part in zip(turns, parts, strict=True))]
        step, row = steps[index], made_so_far[index + 1]
        read = index if step.source < 0 else step.source
        above = row * step.stride[0] - step.pad[0] + turns[index] % parts[index]
        below = above + (step.kernel[0] if memory.streams[index] is None else 1)
        first, last = max(0, above), min(fixed.sizes[read][1], below) - 1
        assert last < made_so_far[read] and made_so_far[read] - first <= memory.rings[read]
        if step.kind == "add":
            assert row < made_so_far[step.other] <= row + memory.rings[step.other]
        count += 1
    assert count == sum(part * height for part, (_, height, _) in zip(parts, fixed.sizes[1:], strict=True))
    assert sum(step.kind == "add" for step in steps) == sums


def test_rows_that_are_used_up_at_once_share_their_places() -> None:
    """Between the steps 5 x 10 and 7 x 8 bytes; of 1 x 1 convolutions in a row 6 x 8 and 8 x 8, which are apart."""
    memory = planned(made(source(in_steps(), IN_STEPS_SHAPE, 3), noise(40, IN_STEPS_SHAPE)))
    # Of the first convolution and the second block three rows for the next kernel, of the last convolution two.
    kept = 3 * 10 * 5 + 3 * 10 * 7 + 2 * 8 * 4
    shared = max(5 * 10, 7 * 8, 8 * 8) + 6 * 8
    assert memory.arena == kept + shared + 4 * 4 * 4
    assert memory.places[2] == memory.places[4] == memory.places[6] != memory.places[5]


def test_what_needs_each_row_once_keeps_sums_and_no_map() -> None:
    """A maximum takes no sums; the convolution without overlap takes 5 x 8, the averages 6 and 8."""
    fixed = made(source(streaming(), STREAMING_SHAPE, 5), noise(20, STREAMING_SHAPE))
    memory = planned(fixed)
    names = {stage.step.name: stream for stage, stream in zip(fixed.stages, memory.streams, strict=True)}
    assert names["2"] == 0 and names["3"] == 0  # the pool has none, so the first sum is the convolution's
    kept = {name for name, stream in names.items() if stream is not None}
    assert kept == {"2", "3", "5.0.1", "5.1.0"}
    assert memory.sums == 5 * 8 + 6 + 8
    assert memory.rings[1:4] == (1, 1, 1)  # up to the convolution without overlap, a row each
    # Two places of 41 x 6 for all that is used up at once; a row of 20 x 6, in which the pool keeps two rows' largest;
    # 5 rows of 5 x 8, which the second branch reads again; 6 and 8 after the averages. A sum writes over what it reads.
    assert memory.rows == 2 * 41 * 6 + 20 * 6 + 5 * 5 * 8 + 6 + 8
    assert memory.places[8] == memory.places[9]


def test_a_global_average_of_a_map_keeps_a_row_and_sums() -> None:
    network = lively(nn.Sequential(nn.Conv2d(1, 20, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    memory = planned(made(source(network, (1, 30, 22), 20), noise(20, (1, 30, 22))))
    assert memory.arena == 20 * 20 + 4 * 20  # instead of 28 rows of 20 x 20 bytes
    small = lively(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    memory = planned(made(source(small, (1, 5, 5), 4), noise(20, (1, 5, 5))))
    assert memory.arena == 3 * 3 * 4  # 36 bytes rather than 12 + 16 with more code


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler: apt-get install gcc")
def test_a_last_layer_that_takes_its_rows_one_by_one_is_followed_to_its_end(tmp_path: Path) -> None:
    """A linear layer on a map: its first row alone would have kept two rows for the padded kernel before it."""
    network = lively(
        nn.Sequential(nn.Conv2d(1, 6, 3), nn.Conv2d(6, 6, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(540, 3))
    )
    of, pictures = source(network, (1, 11, 12), 3), noise(20, (1, 11, 12))
    fixed = made(of, pictures)
    memory = planned(fixed)
    assert memory.streams[-1] is not None and memory.rings[1] == 3
    found = compiled_scores("cc", SANITIZED, written(of, fixed, tmp_path), of, pictures)
    assert (found == integers.integer_scores(fixed, pictures)).all()


def test_the_flagship_s_memory_is_what_its_layers_add_up_to(flagship: Source, digits: Data) -> None:
    fixed = made(flagship, digits.train.images[::16])
    memory = planned(fixed)
    # Rows x width x channels: one for the pool, which the average's 15 bytes share, three for a 3 x 3 convolution and
    # for the average.
    arena = 26 * 8 + 3 * (13 * (8 + 9) + 11 * 10 + 9 * 12 + 7 * 13 + 5 * 14 + 3 * 15)
    assert memory.arena == arena
    assert memory.weights == 9 * (8 + 8 * 9 + 9 * 10 + 10 * 12 + 12 * 13 + 13 * 14 + 14 * 15) + 15 * 10
    assert memory.scaling == 6 * (8 + 9 + 10 + 12 + 13 + 14 + 15 + 1 + 10)
    assert memory.flash <= 16_000 and memory.ram <= 8_000
    assert f"RAM: {memory.ram:,} bytes" in "\n".join(memory_report(fixed, memory))


@pytest.mark.skipif(bool(cortex_m.MISSING), reason=cortex_m.HOW_TO_GET)
@pytest.mark.parametrize("cpu", sorted(cortex_m.BOARDS))
def test_on_a_cortex_m_it_fits_and_answers_as_here(cpu: str, flagship: Source, digits: Data, tmp_path: Path) -> None:
    fixed = made(flagship, digits.train.images[::16])
    memory = planned(fixed)
    program = cortex_m.Program(written(flagship, fixed, tmp_path), "f3")
    pictures = digits.test.images[:3]
    found = cortex_m.emulated(program, cpu, pictures.numpy())
    assert (found["scores"] == integers.integer_scores(fixed, pictures)).all()
    sizes = cortex_m.sizes(program, cpu)
    assert sizes["flash"] + sizes["normalise"] <= 16_000
    assert sizes["ram"] + found["stack"] <= 8_000
    # What the report promised before anything was compiled for it holds.
    memory = planned(fixed, cpu)
    assert abs(memory.flash / sizes["flash"] - 1) < 0.02
    assert 1 <= memory.ram / (sizes["ram"] + found["stack"]) < 1.05
    assert 470_580 < found["instructions"] < 20_000_000  # one multiplication each at least
    # The faster code: the same scores, with no more RAM beside than the header states.
    stated = re.search(
        r"for more flash and (\d+) bytes of RAM;\n \* (\d+) bytes where", (program.folder / "f3.h").read_text()
    )
    assert stated and [int(it) for it in stated.groups()] == [8 * 129 + 16, 4 * (128 + 57 + 28) + 2 * 130 + 256 + 16]
    faster = replace(program, macros=("F3_FAST",))
    again, more = cortex_m.emulated(faster, cpu, pictures.numpy()), cortex_m.sizes(faster, cpu)
    assert (again["scores"] == found["scores"]).all()
    buffers, code, part = (int(stated[2]), 4400, 0.3) if cpu == "cortex-m4" else (int(stated[1]), 1700, 0.4)
    assert more["ram"] + again["stack"] <= sizes["ram"] + found["stack"] + buffers
    assert more["flash"] < sizes["flash"] + code
    assert again["instructions"] < found["instructions"] * part


ARDUINO = Path("/usr/share/arduino/hardware/arduino/avr")


@pytest.mark.skipif(
    shutil.which("avr-g++") is None or not ARDUINO.exists(),
    reason="needs Arduino's own headers and their compiler: apt-get install arduino-core-avr",
)
def test_the_sketch_compiles_against_arduino_s_own_headers(flagship: Source, tmp_path: Path) -> None:
    folder = written(flagship, made(flagship, noise(50, flagship.shape)), tmp_path)
    include = ["-I", str(ARDUINO / "cores" / "arduino"), "-I", str(ARDUINO / "variants" / "mega")]
    # What the Arduino IDE does of a sketch: Arduino.h before it, and C++ whatever its name is.
    language = ["-x", "c++", "-std=gnu++17", "-Os", "-include", "Arduino.h"]
    target = ["-mmcu=atmega2560", "-DF_CPU=16000000L", "-DARDUINO=10819", "-c", "-o", str(tmp_path / "sketch.o")]
    subprocess.run(
        ["avr-g++", *language, *target, *include, "-Wall", "-Wextra", "-Werror", "f3.ino"], cwd=folder, check=True
    )
    symbols = subprocess.run(["avr-nm", tmp_path / "sketch.o"], capture_output=True, text=True, check=True).stdout
    assert {"T setup", "T loop", "U f3_read", "U f3_names"} <= {line[9:] for line in symbols.splitlines()}
