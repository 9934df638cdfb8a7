"""The figures of exported files that the documentation quotes, from the committed records under `results/export`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from docs.build.candidate_record import anchors
from docs.build.inject import with_part_between

_BY = "figures of exports, written by `python -m docs.build`"
MARKS = (f"<!-- begin: {_BY} -->", f"<!-- end: {_BY} -->")
_SIZES_BY = "deployed sizes, written by `python -m docs.build`"
SIZES_MARKS = (f"<!-- begin: {_SIZES_BY} -->", f"<!-- end: {_SIZES_BY} -->")
_SPEED_BY = "instructions, written by `python -m docs.build`"
SPEED_MARKS = (f"<!-- begin: {_SPEED_BY} -->", f"<!-- end: {_SPEED_BY} -->")
CHIP, LEVEL = "cortex-m0plus", "-Os"
"""For which deployed sizes are given."""


def with_figures(text: str, root: Path) -> str:
    """The page with the texts between its marks replaced; `root` is the root of the source tree."""
    files = sorted((root / "results" / "export").glob("*.json"))
    tables = [tables_of(json.loads(file.read_text(encoding="utf-8"))) for file in files]
    text = with_part_between(text, MARKS, "\n" + "\n".join(tables), "docs/export.md")
    text = with_part_between(text, SPEED_MARKS, speeds_of(root), "docs/export.md")
    return with_part_between(text, SIZES_MARKS, sizes_of(root), "docs/export.md")


def speeds_of(root: Path) -> str:
    """A Markdown table of instructions a multiply-add, and of flash, of the C program as it is and with NAME_FAST."""
    file = root / "results" / "device" / "instructions.json"
    found = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    head = (
        "| network | processor | option | instructions a multiply-add | with `NAME_FAST` | flash | with `NAME_FAST` |"
    )
    lines = [head, "|---|---|---|--:|--:|--:|--:|"]
    for name, one in found.items():
        for plain, fast in zip(one["rows"][::2], one["rows"][1::2], strict=True):
            assert [plain["fast"], fast["fast"]] == [False, True] and plain["level"] == fast["level"]
            each = [f"{row['instructions'] / one['macs']:.1f}" for row in (plain, fast)]
            lines.append(
                f"| `{name}` | {plain['cpu']} | `{plain['level']}` | {each[0]} | {each[1]} | {plain['flash']:,}"
                f" | {fast['flash']:,} |"
            )
    return "\n".join(lines)


def sizes_of(root: Path) -> str:
    """A Markdown table of networks for MNIST by the size of their C program, beside what others have published."""
    rows: list[tuple[int, str]] = []
    for file in sorted((root / "results" / "export").glob("*.json")):
        found = json.loads(file.read_text(encoding="utf-8"))
        flash = found["cortex_m"][CHIP][LEVEL]["flash"]
        rows.append((flash, f"`{file.stem}` | 8 | {flash:,} | {found['c']['accuracy']:.2f} | 1 (seed 0)"))
    for file in (root / "results" / "fit").glob("mnist.json"):
        found = json.loads(file.read_text(encoding="utf-8"))
        flash, seeds = found["in_c"]["flash"], found["in_c"]["seeds"]
        right, bits = sum(seeds) / len(seeds), found["chosen"]["genes"]["bits"]
        rows.append((flash, f"[found by `fit`](fit.md) | {bits} | {flash:,} | {right:.2f} | {len(seeds)}"))
    for one in anchors():
        if one.flash is not None and one.last is not None:
            link = f"[{one.where}](https://github.com/{one.where})"
            rows.append((one.flash, f"*{one.what}*: {link} | – | {one.flash:,} | {one.last:.2f} | –"))
    head = "| network | bits of a weight | flash, bytes | right in C, % | mean of so many seeds |"
    return "\n".join([head, "|---|--:|--:|--:|--:|", *(f"| {row} |" for _, row in sorted(rows))])


def tables_of(found: Mapping[str, Any]) -> str:
    """The figures of one network, as Markdown: every form against the network, then its C program on chips."""
    about, onnx, c, page = found["network"], found["onnx"], found["c"], found["page"]
    where = found["environment"]
    browser = where["browser"].split(" built ")[0]
    lines = [
        f"### {about['experiment']}, seed {about['seed']}: {about['parameters']:,} parameters",
        "",
        "| form | bytes | digits | largest difference of a probability | different answers | right |",
        "|---|--:|--:|--:|--:|--:|",
        f"| the network itself | | {onnx['pictures']:,} | | | {onnx['network_accuracy']:.2f} % |",
        f"| ONNX, ONNX Runtime {where['onnxruntime']} | {onnx['bytes']:,} | {onnx['pictures']:,}"
        f" | {onnx['largest_difference']:.1e} | {onnx['different_answers']} | {onnx['accuracy']:.2f} % |",
        f"| page, {browser} | {page['bytes']:,} | {page['pictures']:,} | {page['largest_difference']:.1e}"
        f" | {page['different_answers']} | |",
        f"| C, 8 bits | see below | {c['pictures']:,} | not compared: 8 bits | {c['different_answers']}"
        f" | {c['accuracy']:.2f} % |",
        "",
        f"The C program's scores are the Python integers', byte for byte, on all {c['pictures']:,} digits. From strokes"
        f" to probabilities the page took {page['milliseconds_median']:.1f} ms (median of {page['updates']:,} updates;"
        f" 95 of 100 took at most {page['milliseconds_95']:.1f}) on {where['processor']}.",
        "",
        "| processor | compiled with | flash | RAM | stack | instructions a digit | preparing drawings adds flash |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for cpu, levels in found["cortex_m"].items():
        for level, it in levels.items():
            lines.append(
                f"| {cpu} | `{level}` | {it['flash']:,} | {it['ram']:,} | {it['stack']:,}"
                f" | {it['instructions'] / 1e6:.1f} M | {it['normalise']:,} |"
            )
    lines += [
        "",
        f"Estimated before compiling: flash {c['flash_estimate']:,}, RAM with stack {c['ram_estimate']:,}. Bytes, by"
        f" {where['arm_compiler']}; instructions and stack under {where['emulator']}.",
        "",
    ]
    return "\n".join(lines)
