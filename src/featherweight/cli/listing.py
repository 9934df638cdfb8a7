"""What `list` shows: the ladders, the records, and the experiments of the current folder. Needs no torch."""

import json
import re
import textwrap
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from featherweight.errors import FeatherweightError, UsageError, nearest
from featherweight.escape import printable
from featherweight.experiments.augmentation import preprocessing_words
from featherweight.experiments.experiment import RULES
from featherweight.experiments.record import Record, read_record

WIDTH = 80
"""Columns of the widest line."""
RECORDS = "records"
LARGEST = 1 << 20
"""Maximum size in bytes of a Python file that is looked into."""
HEADINGS = ("parameters", "epochs", "claimed", "measured", "budget", "rule")
Entry = dict[str, Any]


def index_entries() -> list[Entry]:
    """Every experiment of the package, as the index that is written with the ladders' pages has it."""
    found: list[Entry] = json.loads(
        (Path(__file__).parent.parent / "experiments" / "ladders" / "index.json").read_text(encoding="utf-8")
    )
    return found


def group_of(entry: Entry) -> str:
    """The letter of an experiment's ladder, or `records`.

    >>> group_of({"id": "a10"}), group_of({"id": "fashion-20k"})
    ('a', 'records')
    """
    rung = re.fullmatch(r"([a-z])\d+", entry["id"])
    return rung[1] if rung else RECORDS


def chosen(every: Sequence[Entry], data: str, ladder: str) -> list[Entry]:
    """The experiments that `list` shows: on this data set, by default MNIST, and of this ladder alone if one is named.

    A ladder that is named without a data set is listed whatever its set is. Raises UsageError if there are none.
    """
    if ladder:
        letters = list(dict.fromkeys(map(group_of, every)))
        if ladder.lower() not in letters:
            raise UsageError(f"Unknown ladder {ladder!r}; {nearest(ladder, letters)}")
        every = [entry for entry in every if group_of(entry) == ladder.lower()]
    kept = [entry for entry in every if _data(entry) == (data or "mnist") or (ladder and not data)]
    if not kept:
        of = f" in ladder {ladder!r}" if ladder and ladder != RECORDS else ""
        sets = list(dict.fromkeys(map(_data, every)))
        raise UsageError(f"There are no experiments on {data!r}{of}; {nearest(data, sets)}")
    return kept


def _data(entry: Entry) -> str:
    return str(entry.get("data", "mnist"))


def own(folder: Path) -> list[Entry]:
    """The experiment files of a folder, as entries, with what the latest finished run below `runs/` measured.

    Files are recognised by their text and not executed, so before a run only their names are known.
    """
    runs = sorted((folder / "runs").glob("*/record.json"), key=lambda path: path.stat().st_mtime)
    latest: dict[Path, Record] = {}
    for path in runs:
        with suppress(FeatherweightError):  # `report` and `evaluate` say what is wrong with a damaged one
            record = read_record(path)
            if record.finished and record.experiment.endswith(".py"):
                latest[(folder / record.experiment).resolve()] = record
    return [_own(path, latest.get(path.resolve())) for path in sorted(folder.glob("*.py")) if _is_experiment(path)]


def _is_experiment(path: Path) -> bool:
    with suppress(OSError):
        if path.is_file() and path.stat().st_size <= LARGEST:
            text = path.read_text(encoding="utf-8", errors="replace")
            return "featherweight" in text and bool(re.search(r"^experiment\b.*=", text, re.MULTILINE))
    return False


def _own(path: Path, record: Record | None) -> Entry:
    entry: Entry = {"id": printable(path.name), "claimed": None, "rule": None}
    entry["preprocessing"] = preprocessing_words(record.architecture) if record else []
    if record is None:
        return entry | dict.fromkeys(("parameters", "epochs", "measured", "passed")) | {"title": "not trained yet"}
    verdict = record.verdict
    return entry | {
        "parameters": record.parameters,
        "epochs": len(record.rows),
        "measured": verdict.last,
        "passed": verdict.passed,
        "title": f"latest run: seed {record.seed} on {printable(str(record.data['name']))}"
        + ("" if record.digest else ", not checked: its record has no digest"),
    }


def lines(kept: Sequence[Entry], mine: Sequence[Entry]) -> list[tuple[str, bool]]:
    """What `featherweight list` prints, line by line, none wider than 80 columns, each with whether it is a heading.

    The names of the columns come first; then each ladder, the records and the own experiments (`mine`) under a
    heading; then what the columns mean.
    """
    wide = max(len(entry["id"]) for entry in [*kept, *mine] if len(entry["id"]) <= 10)
    shown = [(f"{'id':<{wide}} {' '.join(HEADINGS)} what changed", True)]
    for group in dict.fromkeys(map(group_of, kept)):
        members = [entry for entry in kept if group_of(entry) == group]
        shown += _section_lines(_heading(group), members, wide)
    if mine:
        shown += _section_lines("Your own, in this folder: files that define an experiment.", mine, wide)
    return [*shown, ("", False), *((line, False) for line in _legend(kept))]


@cache
def _heading(group: str) -> str:
    # The first line of each ladder's package says what it is; importing one imports no experiment.
    room = group if group == RECORDS else f"ladders.{group}"
    subject = (import_module(f"featherweight.experiments.{room}").__doc__ or "").strip()
    return subject if group == RECORDS else f"Ladder {group.upper()}: {subject}"


def _section_lines(heading: str, members: Sequence[Entry], wide: int) -> list[tuple[str, bool]]:
    shown = [("", False), *((line, True) for line in textwrap.wrap(heading, WIDTH))]
    return shown + [(line, False) for entry in members for line in _entry_lines(entry, wide)]


def _entry_lines(entry: Entry, wide: int) -> list[str]:
    """An experiment's figures, and beside them what changed, in as many lines as its words need."""
    count = "-" if entry["parameters"] is None else f"{entry['parameters']:,}"
    accuracies = ("-" if entry[name] is None else f"{entry[name]:.2f}" for name in ("claimed", "measured"))
    verdicts = ({True: "yes", False: "no", None: "-"}[entry[name]] for name in ("passed", "rule"))
    cells = (count, "-" if entry["epochs"] is None else str(entry["epochs"]), *accuracies, *verdicts)
    figures = " ".join(f"{cell:>{len(name)}}" for cell, name in zip(cells, HEADINGS, strict=True))
    words = ", ".join([entry["title"], *entry.get("preprocessing", ())])
    first, *rest = textwrap.wrap(words, WIDTH - wide - len(figures) - 2)
    blank = " " * (wide + len(figures) + 2)
    above = [] if len(entry["id"]) <= wide else textwrap.wrap(entry["id"], WIDTH)  # a long name has lines of its own
    return [*above, f"{'' if above else entry['id']:<{wide}} {figures} {first}", *(blank + line for line in rest)]


def _legend(kept: Sequence[Entry]) -> Iterable[str]:
    """What the columns mean, and the rules that `rule` refers to."""
    fresh = [entry["id"] for entry in kept if entry.get("confirmed") is not None]
    waiting = [entry["id"] for entry in kept if "confirmed" in entry and entry["confirmed"] is None]
    for what, names in (("measured on fresh seeds", fresh), ("not yet confirmed on fresh seeds", waiting)):
        if names:
            yield from textwrap.wrap(f"{what}: {', '.join(names)}", WIDTH, subsequent_indent="  ")
    yield "claimed: the source's best epoch in %; measured: our last one, mean of the seeds"
    yield "budget, rule: whether every seed met its own budget, and the rule; -: not known"
    rules: dict[str, list[str]] = {}
    for entry in kept:
        rules.setdefault(entry.get("judged_by") or RULES[_data(entry)].sentence(), []).append(entry["id"])
    usual = max(rules, key=lambda rule: len(rules[rule]))
    yield from textwrap.wrap(f"rule: {usual}", WIDTH, subsequent_indent="  ")
    for rule, ids in rules.items():
        if rule != usual:
            yield from textwrap.wrap(f"rule for {' and '.join(ids)}: {rule}", WIDTH, subsequent_indent="  ")
