"""docs/reliability.md: its table of figures, written from the committed records alone."""

import json
from pathlib import Path
from typing import Any

from docs.build.rendering import with_part_between

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results" / "reliability"
PAGE = ROOT / "docs" / "reliability.md"
_BY = "figures, written by `python -m tests.faults --write`"
MARKS = (f"<!-- begin: {_BY} -->", f"<!-- end: {_BY} -->")


def text(page: str) -> str:
    """The page with the part between its two marks rewritten."""
    return with_part_between(page, MARKS, figures(), PAGE)


def figures() -> str:
    """The table: a line for each row of each record that exists."""
    lines = ["| test | trials | outcome |", "|---|--:|---|"]
    for name, write in WRITERS.items():
        if (RESULTS / f"{name}.json").exists():
            lines += [f"| {' | '.join(write(row))} |" for row in _record(name)["rows"]]
    about = _record("hostile")
    lines += ["", _together()]
    lines += ["", f"On {about['system']}, {about['instructions']}, Python {about['python']}, PyTorch {about['torch']}."]
    return "\n".join(lines)


def _together() -> str:
    """The totals over all hand-made and mutated inputs."""
    mutated, made = _record("hostile")["rows"], _record("attacks")["rows"]
    counts = {
        what: sum(row[what] for row in made) for what in ("tried", "executed", "over bounds", "hangs", "tracebacks")
    }
    other = counts["tracebacks"] + sum(row["other errors"] for row in mutated)
    return (
        f"In all, {sum(row['tried'] for row in mutated):,} mutated and {counts['tried']:,} hand-made inputs:"
        f" {counts['executed']} executed code, {counts['over bounds']} exceeded the bounds of memory and time,"
        f" {counts['hangs']} hung, {other} tracebacks."
    )


def _record(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return found


Cells = tuple[str, str, str]


def _kills(row: dict[str, Any]) -> Cells:
    inside, twice = row.get("inside saving", 0), row.get("killed twice", 0)
    return (
        f"`kill -9` at a random instant, {row['engine']} engine, disk: {row['disk']}"
        f" ({inside} inside saving, {twice} killed twice)",
        f"{row['kills']:,}",
        f"{row['identical']:,} bit-identical",
    )


def _steps(row: dict[str, Any]) -> Cells:
    return (
        f"stopped at each step of two epochs, {row['engine']} engine: {row['recipes']} recipes",
        f"{row['places']:,}",
        f"{row['identical']:,} bit-identical",
    )


def _damage(row: dict[str, Any]) -> Cells:
    tried = row["flips"] + row["truncations"]
    what = f"{row['flips']:,} flipped bits and {row['truncations']:,} truncations: {row['file']}"
    if "loaded" in row:
        return what, f"{tried:,}", f"{row['refused']:,} refused by name, {row['loaded']:,} loaded"
    return what, f"{tried:,}", f"{row['one before used']:,} named, and the previous state used"


def _full_disk(row: dict[str, Any]) -> Cells:
    return (
        f"a disk that is too small ({row['disk']})",
        f"{row['levels']:,}",
        f"{row['stopped with a sentence']:,} stopped with a sentence, {row['no state was written yet']:,} of them with"
        f" no room for a first state; {row['identical in the end']:,} bit-identical once there was room",
    )


def _hostile(row: dict[str, Any]) -> Cells:
    return (
        f"mutated files: {row['files']}",
        f"{row['tried']:,}",
        f"{row['refused']:,} refused, {row['read']:,} read, {row['other errors']:,} other errors; at most"
        f" {row['slowest_ms']:.0f} ms, {row['growth_mb']:.0f} MB",
    )


def _crowd(row: dict[str, Any]) -> Cells:
    return (
        "runs started at once with one output folder and one empty cache",
        f"{row['started']:,}",
        f"{row['whole records']:,} complete records; {row['requests']:,} requests for {row['files']} files of data",
    )


def _saving(row: dict[str, Any]) -> Cells:
    return (
        f"a save of f3's state, {row['bytes']:,} bytes, flushed to disk",
        f"{row['saves']:,}",
        f"{row['median_ms']:.0f} ms in the median, once an epoch and every 30 s",
    )


def _attacks(row: dict[str, Any]) -> Cells:
    bad = "".join(f"{row[what]} {what}; " for what in ("executed", "over bounds", "hangs", "tracebacks") if row[what])
    return (
        f"made by hand: {row['door']}",
        f"{row['tried']:,}",
        f"{bad}{row['refused']:,} refused; at most {row['longest_s']} s, {row['most_mb']} MB",
    )


def _commands(row: dict[str, Any]) -> Cells:
    if "engine" in row:
        kinds = ", ".join(
            f"{count} {kind.removeprefix('at ')}" for kind, count in row.items() if kind.startswith("at ")
        )
        return (
            f"the real command, killed before a system call ({kinds}), {row['engine']} engine",
            f"{row['kills']:,}",
            f"{row['identical']:,} bit-identical",
        )
    left = "all workers exited" if "parent" in row["what"] else "the command ended by itself"
    return (
        row["what"],
        f"{row['tried']:,}",
        f"{row['left']:,} times {left}; {row['ended']:,} ended with complete records",
    )


def _verbs(row: dict[str, Any]) -> Cells:
    return (
        f"`kill -9` at a random moment of `{row['verb']}`",
        f"{row['kills']:,}",
        f"{row['whole']:,} whole, {row['identical']:,} identical in the end, {row['workers_left']} processes left",
    )


def _renames(row: dict[str, Any]) -> Cells:
    return f"`kill -9` before each rename of `{row['verb']}`", *_verbs(row)[1:]


def _folders(row: dict[str, Any]) -> Cells:
    return (
        "`fit` for half a minute on made folders: 2 to 1,000 classes, sides of 5 to 400 pixels, eight modes",
        f"{row['folders']:,}",
        f"{row['networks']:,} networks, whole, {row['warned']:,} of them with a warning or unmet; {row['refused']:,}"
        f" refused in a sentence; at most {row['slowest_s']:.0f} s",
    )


def _fuzz(row: dict[str, Any]) -> Cells:
    return (
        f"coverage-guided fuzzing for {row['seconds']} s: {row['reader']}",
        f"{row['inputs']:,}",
        f"{row['lines']:,} lines reached, {row['other errors']:,} other errors",
    )


WRITERS = {
    "kills": _kills, "steps": _steps, "damage": _damage, "full_disk": _full_disk, "hostile": _hostile,
    "attacks": _attacks, "commands": _commands, "verbs": _verbs, "renames": _renames, "folders": _folders,
    "crowd": _crowd, "saving": _saving, "fuzz": _fuzz,
}  # fmt: skip
