"""The figures of exported files that the documentation quotes, from the committed records under `results/export`."""

import json
from pathlib import Path
from statistics import fmean, median
from typing import Any

import msgspec
from docs.build.candidate_record import anchors
from docs.build.rendering import rendered, with_part_between

from featherweight.errors import FileError
from featherweight.experiments.calibration import COVERED, REFUSED, ROOM
from featherweight.export.estimate import MARGIN, PROCESSORS
from featherweight.networks.layers import kinds
from featherweight.networks.layers.blocks import CONTAINERS
from featherweight.networks.layers.blocks import KINDS as BLOCKS
from featherweight.report.ladder_page import ABSENT

_BY = "figures of exports, written by `python -m docs.build`"
MARKS = (f"<!-- begin: {_BY} -->", f"<!-- end: {_BY} -->")
_SIZES_BY = "deployed sizes, written by `python -m docs.build`"
SIZES_MARKS = (f"<!-- begin: {_SIZES_BY} -->", f"<!-- end: {_SIZES_BY} -->")
_SPEED_BY = "instructions, written by `python -m docs.build`"
SPEED_MARKS = (f"<!-- begin: {_SPEED_BY} -->", f"<!-- end: {_SPEED_BY} -->")
_CYCLES_BY = "estimated cycles, written by `python -m docs.build`"
CYCLES_MARKS = (f"<!-- begin: {_CYCLES_BY} -->", f"<!-- end: {_CYCLES_BY} -->")
_UNKNOWN_BY = "what is refused, written by `python -m docs.build`"
UNKNOWN_MARKS = (f"<!-- begin: {_UNKNOWN_BY} -->", f"<!-- end: {_UNKNOWN_BY} -->")
_RESNET8_BY = "ResNet8 of MLPerf Tiny, written by `python -m docs.build`"
RESNET8_MARKS = (f"<!-- begin: {_RESNET8_BY} -->", f"<!-- end: {_RESNET8_BY} -->")
_KINDS_BY = "kinds of layers, written by `python -m docs.build`"
KINDS_MARKS = (f"<!-- begin: {_KINDS_BY} -->", f"<!-- end: {_KINDS_BY} -->")
_BOARDS_BY = "emulated boards, written by `python -m docs.build`"
BOARDS_MARKS = (f"<!-- begin: {_BOARDS_BY} -->", f"<!-- end: {_BOARDS_BY} -->")
CHIP, LEVEL = "cortex-m0plus", "-Os"
"""For which deployed sizes are given."""


def with_figures(text: str, root: Path) -> str:
    """The page with the texts between its marks replaced; `root` is the root of the source tree."""
    text = with_part_between(text, MARKS, figures_of(root), "docs/export.md")
    text = with_part_between(text, SPEED_MARKS, speeds_of(root), "docs/export.md")
    text = with_part_between(text, CYCLES_MARKS, cycles_of(root), "docs/export.md")
    text = with_part_between(text, UNKNOWN_MARKS, unknown_of(root), "docs/export.md")
    text = with_part_between(text, RESNET8_MARKS, resnet8_of(root), "docs/export.md")
    text = with_part_between(text, KINDS_MARKS, "\n" + kinds_table() + "\n", "docs/export.md")
    return with_part_between(text, SIZES_MARKS, sizes_of(root), "docs/export.md")


def resnet8_of(root: Path) -> str:
    """What becomes of MLPerf Tiny's file, in a sentence."""
    file = root / "results" / "bench" / "resnet8.json"
    if not file.is_file():
        return ""
    found = json.loads(file.read_text(encoding="utf-8"))
    share, ours = 100 * found["correct"] / found["images"], found["c"]
    return (
        f"MLPerf Tiny's `{found['file']}` as it comes ({found['bytes']:,} bytes, beside the interpreter that reads"
        f" them) gets {share:.2f} % of CIFAR-10's {found['images']:,} test images right in LiteRT; exported by the"
        f" second command, whole in C, {ours['accuracy']:.2f} %, with {ours['flash']:,} bytes of flash and"
        f" {ours['ram']:,} of RAM (`python -m benchmarks.resnet8`)."
    )


def speeds_of(root: Path) -> str:
    """A Markdown table of instructions a multiply-add, and of flash, of the C program as it is and with NAME_FAST."""
    file = root / "results" / "device" / "instructions.json"
    found = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    rows = {}
    for name, one in found.items():
        by = {(row["cpu"], row["fast"]): row for row in one["rows"] if row["level"] == LEVEL}
        cells: list[str] = []
        for cpu in PROCESSORS:
            both = [by.get((cpu, fast)) for fast in (False, True)]
            cells += [f"{row['instructions'] / one['macs']:.1f}" if row else ABSENT for row in both]
            cells += [f"{row['flash']:,}" if row else ABSENT for row in both]
        rows[name] = cells
    return rendered("export_speeds.md.j2", networks=rows).rstrip()


def cycles_of(root: Path) -> str:
    """A Markdown table of how near estimated cycles come on networks that no rate was fitted to."""
    file = root / "results" / "device" / "cycles.json"
    record = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {"held_out": {}}
    rows = [
        (cpu, record["fitted"], len(off), sum(one <= 100 * MARGIN for one in off), median(off), max(off))
        for cpu, errors in record["held_out"].items()
        for off in [[abs(one) for one in errors]]
    ]
    return rendered("export_cycles.md.j2", rows=rows, margin=100 * MARGIN).rstrip()


def unknown_of(root: Path) -> str:
    """A Markdown table of what calibrated networks refuse."""
    file = root / "results" / "unknown.json"
    if not file.is_file():
        return ""
    found = json.loads(file.read_text(encoding="utf-8"))
    rule = [one for one in found["rule"]["refused"] if one["table"] and one["room"] == ROOM]
    sets = {cover: [one for one in found["rule"]["sets"] if one["cover"] == cover] for cover in (COVERED, 99.9)}
    rows = []
    for one in found["networks"]:
        of = {name: f"{100 * some / all_:.1f}" for name, (some, all_) in one["refused"].items()}
        known = [of.pop(name, ABSENT) for name in ("held-out images", "test images")]
        made = [of.pop(name) for name in ("noise", "frames of one colour", "scrambled images")]
        rows.append((one["network"], *known, *made, ", ".join(f"{share} of `{name}`" for name, share in of.items())))
    return rendered(
        "export_unknown.md.j2", rows=rows, seeds=len(rule), most=max(one["next"] for one in rule),
        over=sum(one["next"] > REFUSED for one in rule),
        sets=[(cover, min(one["covered"] for one in some), fmean(one["size"] for one in some))
              for cover, some in sets.items()],
    ).rstrip()  # fmt: skip


class Sent(msgspec.Struct, forbid_unknown_fields=True):
    """What somebody measured on a board of theirs, in `results/boards`: the milliseconds of a package's check."""

    board: str
    processor: str
    megahertz: float
    network: str
    package: str
    compiler: str
    milliseconds: float
    version: str
    by: str


def with_boards(text: str, root: Path) -> str:
    """The page of boards with the text between its marks replaced; FileError for a file that is not as it describes."""
    file = root / "results" / "device" / "boards.json"
    rows = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    if not rows:
        return text
    fixed = [row for row in rows if not row["network"].startswith("candidate-")]
    taken = {"riscv32": [], "cortex": []}  # type: dict[str, list[tuple[float, int]]]
    for row in rows:
        for cpu, one in row["processors"].items():
            promised = row["promised_ram"]
            taken[cpu.partition("-")[0]].append((one["ram"] / promised, one["ram"] - promised))
    boards = []
    for one in sorted((root / "results" / "boards").glob("*.json")):
        try:
            boards.append(msgspec.json.decode(one.read_bytes(), type=Sent))
        except msgspec.MsgspecError as problem:
            raise FileError(f"{one.name} does not have the fields that docs/boards.md lists: {problem}.") from problem
    shown = rendered(
        "boards.md.j2", processors=list(max(fixed, key=lambda row: len(row["processors"]))["processors"]),
        records=fixed, rows=rows, boards=boards, fullest=f"{100 * max(taken['cortex'])[0]:.1f} %",
        over=max(over for _, over in taken["riscv32"]),
    )  # fmt: skip
    return with_part_between(text, BOARDS_MARKS, shown.rstrip(), "docs/boards.md")


def kinds_table() -> str:
    """A Markdown table of the kinds of layers and what can be done with each, from the registry; those of one column
    are told together."""
    containers = [(name, True, name != "Gated", "") for name in CONTAINERS]
    blocks = {block.written for block in BLOCKS}
    single = [kind for kind in kinds().values() if kind.written not in blocks]
    found: dict[tuple[bool, bool, str], list[str]] = {}
    for name, native, exported, note in (
        *((kind.written, kind.native is not None, kind.exported is not None, kind.note) for kind in single),
        *containers,
    ):
        found.setdefault((native, exported, note), []).append(f"`{name}`")
    rows = sorted(found.items(), key=lambda row: (-row[0][0] - row[0][1], row[0][2] != ""))
    return rendered("kinds.md.j2", rows=rows).rstrip()


def sizes_of(root: Path) -> str:
    """A Markdown table of networks for MNIST by the size of their C program, beside what others have published."""
    rows: list[tuple[Any, ...]] = []
    for file in sorted((root / "results" / "export").glob("*.json")):
        found = json.loads(file.read_text(encoding="utf-8"))
        flash, right = found["cortex_m"][CHIP][LEVEL]["flash"], found["c"]["accuracy"]
        rows.append((flash, f"`{file.stem}`", 8, right, "1 (seed 0)"))
    for file in (root / "results" / "fit").glob("mnist.json"):
        found = json.loads(file.read_text(encoding="utf-8"))
        seeds, bits = found["in_c"]["seeds"], found["chosen"]["genes"]["bits"]
        rows.append((found["in_c"]["flash"], "[found by `fit`](fit.md)", bits, fmean(seeds), len(seeds)))
    for one in anchors():
        if one.flash is not None and one.last is not None:
            name = f"*{one.what}*: [{one.where}](https://github.com/{one.where})"
            rows.append((one.flash, name, ABSENT, one.last, ABSENT))
    return rendered("export_sizes.md.j2", rows=sorted(rows, key=lambda row: row[:2])).rstrip()


def figures_of(root: Path) -> str:
    """A Markdown table of the exported networks: every form against the network, and its C program on a chip."""
    files = sorted((root / "results" / "export").glob("*.json"))
    records = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    if not records:
        return ""
    forms = [one[form] for one in records for form in ("onnx", "page")]
    assert not any(form["different_answers"] for form in forms)
    difference = max(form["largest_difference"] for form in forms)
    slowest = max(one["page"]["milliseconds_median"] for one in records)
    return rendered("export_figures.md.j2", records=records, difference=difference, slowest=slowest).rstrip()
