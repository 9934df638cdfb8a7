"""The C program of a network in integers: the plain C of `runtime/`, with the network's own header and tables."""

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from featherweight.escape import c_string, in_c_comment
from featherweight.experiments.calibration import Calibration
from featherweight.export.fixed_point import FixedPoint, Integers, Stage, bias_bits
from featherweight.export.integers import limits_in_units, typical_shift
from featherweight.export.memory import Memory, memory_report, planned, tallest
from featherweight.export.page import DIGITS
from featherweight.export.preprocessing import FLATTEST_BITS
from featherweight.export.source import Source
from featherweight.export.tables import (
    StructTable,
    dilated,
    layer_table,
    require_in_range,
    stored_weights,
    tensors_of,
)
from featherweight.networks.layers.activations import CURVES

RUNTIME = Path(__file__).parent / "runtime"
"""Files of C that compile as they are beside a network called `model`; its name takes the place of that one."""


def source_files(source: Source, network: FixedPoint, calibration: str) -> dict[str, str]:
    """The texts, by their paths in the network's folder; the same network gives the same texts.

    `calibration` describes the pictures that the ranges of activations come from. Raises UsageError, naming the layer,
    if a number does not fit the C field that holds it.
    """
    memory = planned(network)
    tables = model_tables(source, network, memory)
    head = f"/* {source.name}: {in_c_comment(source.sentence())}.\n * Written by featherweight"
    head += f" {in_c_comment(source.version)}; see {source.name}.h. */\n\n"
    return {
        f"{source.name}.h": model_header(source, network, memory, calibration),
        f"{source.name}.c": head + _named(_inlined("network.c", tables) + _known(source, network), source.name),
        f"{source.name}.ino": _named(_runtime("sketch.ino"), source.name),
        # The Arduino IDE compiles every C file beside the sketch, but none in folders of other names than src.
        "example/main.c": _named(_runtime("main.c"), source.name),
    }


def known_tables(known: Calibration, score_bits: int) -> str:
    """What `known.c` includes as tables.h: typical scores, and how many units of a score one of theirs is."""
    if known.typical is None:
        return "#define TYPICAL 0\n"
    rows = "".join(f"    {{ {', '.join(map(str, row))} }},\n" for row in known.typical)
    unit = 1 << typical_shift(known, score_bits)
    table = f"static const int8_t typical[MODEL_CLASSES][MODEL_CLASSES] = {{\n{rows}}};\n"
    return f"#define TYPICAL 1\n#define TYPICAL_UNIT {unit} /* of a score */\n{table}"


def _known(source: Source, network: FixedPoint) -> str:
    """The function that may answer "none of these", if there is a threshold."""
    if source.calibration is None or source.calibration.threshold is None:
        return ""
    tables = known_tables(source.calibration, network.score_bits)
    return "\n" + _inlined("known.c", tables).replace('#include "model.h"\n\n', "")


@cache
def _runtime(file: str) -> str:
    return (RUNTIME / file).read_text(encoding="utf-8")


def _named(text: str, name: str) -> str:
    """The text with this name where it calls the network `model`; a class may be called that, in quotes.

    >>> _named('#include "model.h"\\nint model_read(const uint8_t picture[MODEL_PIXELS]); /* remodel_ */', "f3")
    '#include "f3.h"\\nint f3_read(const uint8_t picture[F3_PIXELS]); /* remodel_ */'
    >>> _named('model_names[] = {"model_t", "MODEL_3"};', "f3")
    'f3_names[] = {"model_t", "MODEL_3"};'
    """
    names = {"model": name, "MODEL": name.upper()}
    words = r'(?<!#include )"(?:\\.|[^"\\\n])*"|\bMODEL(?=_)|\bmodel(?=_|\.[ch]\b)'
    return re.sub(words, lambda found: names.get(found[0], found[0]), text)


def _inlined(file: str, tables: str) -> str:
    """A file of the runtime with those that it includes in their places, `tables` among them. One that stands between
    `#if` and `#endif` is left out if `tables` defines all its features as 0; the compiler defines the others."""
    features = dict(re.findall(r"^#define (\w+) (\d+)", tables, re.MULTILINE))

    def part(found: re.Match[str]) -> str:
        wanted, name = found[1], found[2]
        text = tables if name == "tables.h" else _inlined(name, tables)
        values = [features.get(word) for word in wanted.split(" || ")] if wanted else ["1"]
        if None in values:
            return f"#if {wanted}\n{text}#endif\n"
        return text if set(values) != {"0"} else ""

    pattern = r'(?:#if (.+)\n)?#include "(?!model\.h)(\w+\.h)"\n(?(1)#endif\n)'
    return re.sub(pattern, part, _runtime(file))


def model_header(source: Source, network: FixedPoint, memory: Memory, calibration: str) -> str:
    """The header of the program: sizes, the names of classes, and its functions with what they take."""
    name, upper = source.name, source.name.upper()
    channels, height, width = source.shape
    classes, digits = len(source.classes), _reads_digits(source)
    report = "".join(f" * {in_c_comment(line)}\n" for line in memory_report(network, memory))
    each = f" of {channels} bytes" if channels > 1 else ""
    normalise = textwrap.dedent(f"""
        /* A drawing of any size to the picture that {name}_read takes: the digit fills a box of 20 x 20, its centre of
         * mass in the middle. The same bytes as featherweight's own preparation of pictures.
         *
         * ink: height rows of width bytes, 0 paper to 255 ink; at most 4096 x 4096. picture: written, 28 x 28.
         * Gives 1, or 0 where there is no ink at all. */
        int {name}_normalise(const uint8_t *ink, int height, int width, uint8_t picture[784]);
        """) * digits  # fmt: skip
    return f"""/* {name}: {in_c_comment(source.sentence())}.
 *
 * Written by featherweight {in_c_comment(source.version)}. {network.bits}-bit weights, integers alone, no allocation, no library.
 *
{report} *
 * Ranges of activations are from {in_c_comment(calibration)}.
{_about_fast(source, network, memory)} */
#ifndef {upper}_H
#define {upper}_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

#define {upper}_CHANNELS {channels}
#define {upper}_HEIGHT {height}
#define {upper}_WIDTH {width}
#define {upper}_PIXELS {channels * height * width}
#define {upper}_CLASSES {classes}

/* A score s stands for s / 2^{upper}_SCORE_BITS. The difference of two scores, so divided, is the logarithm of how many
 * times as likely the network holds the one class as the other. */
#define {upper}_SCORE_BITS {network.score_bits}

/* The name of each class: {", ".join(in_c_comment(one) for one in source.classes)}. */
extern const char *const {name}_names[{upper}_CLASSES];

/* The class of a picture, 0 to {classes - 1}: the first of those with the highest score.
 *
 * picture: {height} rows of {width} pixels{each}, 0 to 255, as the network was trained on them{" (MNIST: 0 is paper, 255 is ink)" * digits}.
 * scores: written, one for each class.
 * Uses {memory.arena} bytes of static memory, so it must not be entered twice at a time. */
int {name}_read(const uint8_t picture[{upper}_PIXELS], int16_t scores[{upper}_CLASSES]);
{normalise}{_about_known(source, network)}
#ifdef __cplusplus
}}
#endif

#endif
"""  # noqa: E501 - two lines of C are longer than the code's


def _about_known(source: Source, network: FixedPoint) -> str:
    """What the header says of the function that may answer "none of these", if there is a threshold."""
    known = source.calibration
    if known is None or known.threshold is None:
        return ""
    least, most = limits_in_units(known, network.score_bits, len(source.classes))
    farthest = f"#define {source.name.upper()}_FARTHEST {most}\n" if known.typical else ""
    name, upper, classes = source.name, source.name.upper(), len(source.classes)
    promise = f"With 95 % certainty, at most {known.refuse:g} % of new pictures of these classes are refused, as long"
    facts = [
        f"The class by the scores that {name}_read wrote, 0 to {classes - 1}, or {upper}_UNKNOWN for none of these.",
        f"{promise} as they resemble the {known.held_out:,} held-out pictures. Measured: {known.refusals()}.",
        f"Divide scores by {upper}_TEMPERATURE / 256 before softmax to have probabilities that held-out pictures bear"
        " out.",
    ]
    lines = [line for fact in facts for line in textwrap.wrap(in_c_comment(fact), 112)]
    return f"""
/* {(chr(10) + " * ").join(lines)} */
#define {upper}_UNKNOWN (-1)
#define {upper}_THRESHOLD {least} /* of {upper}_CLASSES times the greatest score, less their sum */
{farthest}#define {upper}_TEMPERATURE {round(256 * known.temperature)}
int {name}_known(const int16_t scores[{upper}_CLASSES]);
"""


FAST_STACK = 256
"""Bytes by which the stack of the code for the DSP extension is larger at most, compiled for size; of other code,
16 and what is noted for each layer of a network with branches."""


def _about_fast(source: Source, network: FixedPoint, memory: Memory) -> str:
    windows, laid_out = window(network, memory.streams), columns(network)
    either = 16 + 2 * len(network.stages) * any(stage.step.kind == "add" for stage in network.stages)
    dsp = 4 * (max(pairs(network, memory.streams), 1) + laid_out["COLUMNS"] + laid_out["KERNELS"])
    dsp += 2 * (windows + (4 if network.bits == 8 else 8)) * (windows > 0) + FAST_STACK + either
    others = 8 * (max(pairs(network, memory.streams), 1) + 1) + either
    others += 4 * (laid_out["DEPTHWISE"] + laid_out["TAPS"] + 2) * (laid_out["DEPTHWISE"] > 0)
    given = f" * Defining {source.name.upper()}_FAST where the C file is compiled makes it faster, for more flash and"
    if network.bits == 4:
        return f"{given} {dsp} bytes of RAM,\n * on processors with the DSP extension.\n"
    other = f"{dsp} bytes where the processor has the DSP extension"
    return f"{given} {others} bytes of RAM;\n * {other}.\n" if network.bits == 8 else ""


def _reads_digits(source: Source) -> bool:
    return (source.shape, source.classes) == ((1, 28, 28), DIGITS)


def model_tables(source: Source, network: FixedPoint, memory: Memory) -> str:
    """What the runtime includes as tables.h: the network's features and sizes, its numbers, and room for its rows."""
    tensors, layers = tensors_of(network, memory.places, memory.rings), layer_table(network, memory.streams)
    require_in_range(network, tensors, layers)
    sizes = _features(source, network, memory)
    stages = network.stages
    weights = np.concatenate([stored_weights(stage, network.bits) for stage in stages])
    values = [
        ("weights", "weight_type", packed(weights, network.bits)),
        ("biases", "bias_type", np.concatenate([_biases(stage) for stage in stages])),
        ("multipliers", "uint16_t", np.concatenate([stage.multipliers for stage in stages])),
    ]
    arrays = "".join(_array(name, kind, numbers) for name, kind, numbers in values)
    if sizes["CURVES"]:
        curves = np.concatenate([stage.table for stage in stages if stage.step.kind in CURVES])
        arrays += "/* What each of 0 to 255 becomes under an activation. */\n" + _array("curves", "uint8_t", curves)
    room = f"static uint8_t memory[{max(memory.rows, 1)}];\n"
    if memory.sums:
        room += "/* What the rows so far have added up to, in layers that take each row of their input once. */\n"
        room += f"static int32_t sums[{memory.sums}];\n"
    names = ", ".join(c_string(name) for name in source.classes)
    return (
        "".join(f"#define {name} {value}\n" for name, value in sizes.items())
        + f"\ntypedef int{bias_bits(network.bits)}_t bias_type;\n"
        + f"typedef {'' if network.bits == 8 else 'u'}int8_t weight_type;\n\n"
        + _struct(tensors, "tensor") + _struct(layers, "layer")
        + "enum { CONVOLUTION = 1, MAXIMUM, AVERAGE, ADD, TABLE, NORM, BY_ROW = 8 };\n\n"
        + arrays
        + _rows(tensors, "tensor", "tensors", "LAYERS + 1") + _rows(layers, "layer", "layers", "LAYERS")
        + room + f"\nconst char *const model_names[MODEL_CLASSES] = {{ {names} }};\n"
    )  # fmt: skip


def _features(source: Source, network: FixedPoint, memory: Memory) -> Mapping[str, int]:
    """The names of the runtime's switches and sizes, and their values."""
    kinds = {stage.step.kind for stage in network.stages}
    by = network.preprocessing
    streams = memory.streams
    return {
        "WEIGHT_BITS": network.bits,
        "LAYERS": len(network.stages),
        "TALLEST": tallest(network, streams),
        "MAXIMUMS": int("max" in kinds),
        "AVERAGES": int("average" in kinds),
        "POOLS": int(bool(kinds & {"max", "average"})),
        "ADDS": int("add" in kinds),
        "NORMS": int("group norm" in kinds),
        "NORM_GROUPS": max(memory.norm_groups, 1),
        "CURVES": int(bool(kinds & set(CURVES))),
        "BY_ROWS": int(any(stream is not None for stream in streams)),
        "ROW_SUMS": int(memory.sums > 0),
        "DILATED": int(dilated(network)),
        "CROP": by.crop,
        "DESKEW": int(by.deskew),
        "FLATTEST_BITS": FLATTEST_BITS,
        "DIGITS": int(_reads_digits(source)),
        "WINDOW": window(network, streams),
        "PAIRS": max(pairs(network, streams), 1),
        **columns(network),
    }


def _struct(table: StructTable, name: str) -> str:
    fields = (f"    {it.type} {it.name};" + f" /* {it.about} */" * bool(it.about) for it in table.fields)
    return "typedef struct {\n" + "\n".join(fields) + f"\n}} {name};\n\n"


def _rows(table: StructTable, kind: str, name: str, length: str) -> str:
    rows = "".join(f"    {{ {', '.join(map(str, row))} }},\n" for row in table.rows)
    return f"static const {kind} {name}[{length}] = {{\n{rows}}};\n\n"


def _array(name: str, kind: str, numbers: Integers) -> str:
    end = ""
    if name == "weights":
        end = "#if defined(MODEL_FAST)\n    , 0, 0, 0 /* they are read several at a time */\n#endif\n"
    return f"static const {kind} {name}[] = {{\n{_number_lines(numbers)}\n{end}}};\n\n"


def _biases(stage: Stage) -> Integers:
    """As many as multipliers, so that one number says where both begin: a sum's second one is never read."""
    return np.pad(stage.bias >> stage.lift, (0, len(stage.multipliers) - len(stage.bias)))


def _number_lines(values: Iterable[int]) -> str:
    """The numbers in lines of at most 110 characters; a single 0 if there are none, since C has no empty arrays.

    >>> _number_lines([1, -2])
    '    1, -2'
    """
    text = ", ".join(str(int(value)) for value in values) or "0"
    return textwrap.fill(text, 110, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False)


def packed(weights: Integers, bits: int) -> Integers:
    """The weights as C holds them: one a byte in 8 bits, otherwise several, with 8 or 2 added so that none is negative,
    the first one lowest.

    >>> packed(np.array([-7, 7, 1]), 4).tolist(), packed(np.array([-1, 1, 0, 0, 1]), 2).tolist()
    ([241, 137], [173, 171])
    """
    if bits == 8:
        return weights
    each = 8 // bits
    whole = np.pad(weights, (0, -len(weights) % each)).reshape(-1, each) + (1 << bits - 1)
    found: Integers = (whole << bits * np.arange(each)).sum(axis=1)
    return found


def window(network: FixedPoint, streams: Sequence[int | None]) -> int:
    """Bytes of the faster code's copy of the pixels under a kernel, where that has several rows or edges."""
    found = 0
    for index, (stage, stream) in enumerate(zip(network.stages, streams, strict=True)):
        step, channels = stage.step, network.sizes[stage.step.reads(index)[0]][0]
        rows = step.kernel[0] if stream is None else 1
        if step.kind == "convolution" and (rows > 1 or any(step.pad) or step.dilation != (1, 1)):
            found = max(found, rows * step.kernel[1] * channels)
    return found


def pairs(network: FixedPoint, streams: Sequence[int | None]) -> int:
    """Words of what the code for the DSP extension prepares: the pixels under a kernel at two places, filled up to a
    group of four, or of eight under weights of 4 bits."""
    found, group = 0, 4 if network.bits == 8 else 8
    for index, (stage, stream) in enumerate(zip(network.stages, streams, strict=True)):
        step, channels = stage.step, network.sizes[stage.step.reads(index)[0]][0]
        rows = step.kernel[0] if stream is None else 1
        if step.kind == "convolution" and step.groups == 1:
            found = max(found, -(-rows * step.kernel[1] * channels // group) * group)
    return found


def columns(network: FixedPoint) -> dict[str, int]:
    """Of the faster code where each output takes a single channel: whether a layer takes the only one (`GREY`), and the
    words that are laid out under a row of outputs. With the DSP extension these are the pixels of four channels, or the
    only one, and weights of four outputs, two rows at a time (`COLUMNS`, `KERNELS`); without it, pixels and weights of
    one channel (`DEPTHWISE`, `TAPS`)."""
    found = dict.fromkeys(("GREY", "COLUMNS", "KERNELS", "DEPTHWISE", "TAPS"), 0)
    for index, stage in enumerate(network.stages):
        step, channels, outputs = stage.step, network.sizes[stage.step.reads(index)[0]][0], len(stage.weights)
        wanted = step.kind == "convolution" and step.kernel[1] > 1 and outputs > 3
        if wanted and step.groups == channels in (1, outputs):
            rows, pairs = step.kernel[0], -(-step.kernel[0] // 2)
            reach = (step.kernel[1] - 1) * step.dilation[1] + 1
            wide = (network.sizes[index + 1][2] - 1) * step.stride[1] + reach
            found["GREY"] |= int(channels == 1)
            # and the last pair more, which is read where their number is odd
            found["COLUMNS"] = max(found["COLUMNS"], (wide * pairs + 1) * min(channels, 4))
            found["KERNELS"] = max(found["KERNELS"], 4 * (reach * pairs + 1))
            if channels > 1:
                # weights three at a time, so that up to two pixels more are read
                found["DEPTHWISE"] = max(found["DEPTHWISE"], wide * rows + 2)
                found["TAPS"] = max(found["TAPS"], -(-reach * rows // 3) * 3)
    return found
