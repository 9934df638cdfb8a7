"""`kill -9` at random moments of `fit`, `train --seeds`, `ladder` and others: the old or the new is left, whole.

`PYTHONPATH=tests python -m tests.faults.killed_verbs [VERB...] [--kills N]`. Half of the commands begin in an empty
folder, half in one with a result; half lose the parent alone, half their workers too. Given again, each ends as if
never killed. With `--renames` each is killed before each of its renames instead.
"""

import argparse
import hashlib
import json
import os
import random
import re
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
from PIL import Image

from featherweight import io
from featherweight.search.fit.folder import REPLACED
from featherweight.training.runs.folders import RESULT, STAGE
from forks import AHEAD, _end_with

from .harness import TINY, outcome

QUICK = ("--data", "digits", "--engine", "torch")
PAGES = (".html", ".md", ".svg")
RUN = ("record.json", "metrics.csv")
UNDER_WAY = ("state.", STAGE, REPLACED, ".")
"""How the names of files begin that are not part of a result."""
NOTES = ("asked.json", "trials.jsonl")
Files = dict[str, str]
"""Digests of a folder's files, by their paths in it."""


@dataclass(frozen=True, kw_only=True)
class Verb:
    """A command that writes into a folder, and the smaller one of which it may find the result there."""

    first: Callable[[Path, Path], list[str]]
    """The words of the command that comes before, given a folder of its own and the output folder."""
    then: Callable[[Path, Path], list[str]]
    part: Callable[[str], str]
    """The part of the result that a file belongs to; each part is old or new, as a whole."""
    finished: Callable[[Path, str], bool] = lambda out, part: True
    """Whether a part claims to be whole; the others are those of a command under way."""
    varying: tuple[str, ...] = ()
    """Files that tell seconds in words, or the ledger's lines: who is killed before the first step has made one."""


def _pictures(home: Path) -> str:
    draws = np.random.default_rng(0)
    for half, count in (("train", 24), ("test", 10)):
        for at, label in enumerate(("elm", "oak")):
            folder = home / "pictures" / half / label
            folder.mkdir(parents=True, exist_ok=True)
            for number in range(count):
                pixels = draws.integers(0, 256, (9, 9), dtype=np.uint8)
                pixels[:5] //= 1 + 2 * at
                Image.fromarray(pixels).save(folder / f"{number}.png")
    return str(home / "pictures")


def _ladder(home: Path) -> str:
    folder = home / "mine"
    folder.mkdir(exist_ok=True)
    text = TINY.read_text()
    (folder / "m1.py").write_text(text.replace('id="tiny"', 'id="m1"'))
    second = text.replace('id="tiny"', 'id="m2"').replace("lr=0.1", "lr=0.07")
    (folder / "m2.py").write_text(second.replace("    network=network,", '    network=network, parent="m1",'))
    return str(folder)


def _fit(home: Path, out: Path, trials: int) -> list[str]:
    return ["fit", _pictures(home), "--flash", "9000", "--trials", str(trials), "--out", str(out)]


def _run(home: Path, seed: int) -> str:
    """A finished run, made by the trial itself."""
    folder = home / "runs" / f"tiny-seed{seed}"
    if not folder.exists():
        words = ["train", str(TINY), *QUICK, "--threads", "1", "--seed", str(seed), "--out", str(home / "runs")]
        assert _ended(_begun(words, home)) == 0
    return str(folder)


def _is_finished(out: Path, part: str) -> bool:
    if not (out / part).is_dir():
        return True
    record = out / part / "record.json"  # a run without one has not begun
    return record.exists() and bool(json.loads(record.read_text())["finished"])


def _export(home: Path, out: Path, seed: int) -> list[str]:
    return ["export", _run(home, seed), "--to", "c", "--out", str(out)]


def _report(home: Path, out: Path, seed: int) -> list[str]:
    more = ("--figures", str(out / "figures"), "--data-out", str(out / "data"))
    return ["report", _run(home, seed), "--out", str(out / "page.html"), *more]


VERBS = {
    "fit": Verb(
        first=lambda home, out: _fit(home, out, 1), then=lambda home, out: _fit(home, out, 3),
        part=lambda path: "notes" if path in NOTES else "result",
        finished=lambda out, part: part not in ("notes", *NOTES),
        varying=("MODEL_CARD.md", "report.html", "export/pictures-card.md"),
    ),
    "train": Verb(
        first=lambda home, out: ["train", str(TINY), *QUICK, "--seeds", "1", "--out", str(out)],
        then=lambda home, out: ["train", str(TINY), *QUICK, "--seeds", "3", "--out", str(out)],
        part=lambda path: path.split("/")[0], finished=_is_finished,
    ),
    "ladder": Verb(
        first=lambda home, out: ["ladder", _ladder(home), "--data", "digits", "--out", str(out)],
        then=lambda home, out: ["ladder", _ladder(home), "--data", "digits", "--seeds", "2", "--out", str(out)],
        part=lambda path: path.split("/")[0], finished=_is_finished,
        varying=("mine.md", "mine.html", "test_evaluations.jsonl"),
    ),
    "export": Verb(
        first=lambda home, out: _export(home, out, 0), then=lambda home, out: _export(home, out, 1),
        part=lambda path: "program",
    ),
    "report": Verb(
        first=lambda home, out: _report(home, out, 0), then=lambda home, out: _report(home, out, 1),
        part=lambda path: path.split("/")[0],
    ),
}  # fmt: skip
RENAMING = tuple(verb for verb in VERBS if verb != "train")
"""Those whose own process renames files: of `train`, only the workers do."""


def dies_at(rename: int, below: Path) -> None:
    """Have this process killed before so many renames, and exchanges, to a path below a folder."""
    left = [rename]

    def dying(call: Callable[..., Any]) -> Callable[..., Any]:
        def renamed(one: Any, other: Any, **more: Any) -> Any:
            left[0] -= Path(other).is_relative_to(below)
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(one, other, **more)

        return renamed

    os.rename, os.replace, io._exchange = map(dying, (os.rename, os.replace, io._exchange))  # type: ignore[assignment]


def _begun(words: list[str], home: Path, rename: int = 0) -> int:
    """Start the command in a process forked from this one, at the head of a session of its own; its id."""
    sys.stdout.flush()

    def command() -> None:
        os.setsid()
        log = os.open(home / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for standard in (1, 2):
            os.dup2(log, standard)
        os.chdir(home)
        sys.argv = ["featherweight", *words]
        from brief_search import short
        from featherweight.cli import main

        short()
        if rename:
            dies_at(rename, home / "out")
        main()

    process = os.fork()
    if not process:
        _end_with(command)
    return process


def _ended(process: int) -> int:
    """The exit status of the command, minus the signal's number where it was killed."""
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status)


def _members(session: int) -> list[int]:
    """The living processes of a session."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, _, of = stat.read_text().rsplit(")", 1)[1].split()[:4]
            if int(of) == session and state not in "ZX":
                found.append(int(stat.parent.name))
    return found


def _left(session: int) -> bool:
    """Whether workers go on without their parent; those that do are ended."""
    end = time.monotonic() + 60
    while _members(session) and time.monotonic() < end:
        time.sleep(0.05)
    left = _members(session)
    for one in left:
        os.kill(one, signal.SIGKILL)
    return bool(left)


def files_of(out: Path) -> Files:
    """The files that are there, those of a run by all that no two runs share but seconds."""
    found = {}
    for path in sorted(out.rglob("*")):
        name = str(path.relative_to(out))
        if path.is_file() and path.name in RUN and (path.parent / "weights.safetensors").exists():
            found[name] = json.dumps(outcome(path.parent)["record" if path.suffix == ".json" else "table"])
        elif path.is_file():
            content = path.read_bytes()
            content = re.sub(rb"[-\d.]+", b"", content) if path.suffix in PAGES else content  # which tell seconds
            found[name] = hashlib.sha256(content).hexdigest()
    return found


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What a command leaves that is not killed: all its files, and which of them are the same each time."""

    files: Files
    stable: frozenset[str]

    def has(self, found: Files, part: str, of: Callable[[str], str]) -> bool:
        """Whether a part is there, whole, as this command leaves it."""
        wanted = {name for name in self.files if of(name) == part}
        same = all(found.get(name) == self.files[name] for name in wanted & self.stable)
        return bool(wanted) and same and wanted == {name for name in found if of(name) == part}


def _visible(files: Files) -> Files:
    """Without what lies there while a command is under way."""
    return {
        name: digest for name, digest in files.items()
        if not any(step.startswith(UNDER_WAY) for step in name.split("/"))
    }  # fmt: skip


def _emptied(home: Path) -> Path:
    """The output folder, always the same one, whose path is in what is written."""
    out = home / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    return out


def _expected(verb: Verb, home: Path, continued: bool) -> tuple[Expected | None, Expected, float]:
    """What the first and the second command leave, and the seconds that the second one takes."""
    found: list[tuple[Files, Files, float]] = []
    for _ in range(2):
        out = _emptied(home)
        if continued:
            assert _ended(_begun(verb.first(home, out), home)) == 0, (home / "log").read_text()
        before, started = files_of(out), time.monotonic()
        assert _ended(_begun(verb.then(home, out), home)) == 0, (home / "log").read_text()
        found.append((before, files_of(out), time.monotonic() - started))
    (old, new, took), (old_again, new_again, took_again) = found
    assert old.keys() == old_again.keys() and new.keys() == new_again.keys()

    def expected(one: Files, other: Files) -> Expected:
        return Expected(files=one, stable=frozenset(name for name in one if one[name] == other[name]) - {*verb.varying})

    return (expected(old, old_again) if continued else None), expected(new, new_again), min(took, took_again)


def trial(name: str, kills: int | None, seed: int = 0) -> dict[str, Any]:
    """So many kills of a verb, or one before each rename: how many left old or new, whole, and ended as if never
    killed."""
    verb, draws = VERBS[name], random.Random(seed)
    for module in AHEAD:
        __import__(module)
    found: Counter[str] = Counter(kills=0, whole=0, identical=0, workers_left=0)
    home = Path(mkdtemp(prefix="verbs-"))  # which no process forked from this one removes when it ends
    try:
        for kind in ("fresh", "continued") if kills is None else ("fresh", "continued")[: max(1, kills)]:
            known = _expected(verb, home, kind == "continued")
            before, rename = found["kills"], 0
            most = (kills + (kind == "fresh")) // 2 if kills is not None else sys.maxsize
            while found["kills"] - before < most:
                rename += kills is None
                if not _killed(verb, home, known, kind, found, rename or draws.uniform(0, known[2])) and rename:
                    break  # it has fewer
                print(f"{name}: {dict(found)}", file=sys.stderr, flush=True)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return {"verb": name, **found}


Known = tuple[Expected | None, Expected, float]


def _killed(verb: Verb, home: Path, known: Known, kind: str, found: Counter[str], moment: float) -> bool:
    """Kill one command after so many seconds, or, if that is an integer, before this rename; False if it ended before.

    Counts what was found of it.
    """
    old, new, _ = known
    out = _emptied(home)
    if old:
        assert _ended(_begun(verb.first(home, out), home)) == 0
    at_rename = isinstance(moment, int)
    alone = found["kills"] % 4 < 2 or at_rename
    process = _begun(verb.then(home, out), home, rename=int(moment) if at_rename else 0)
    if not at_rename:
        time.sleep(moment)
        (os.kill if alone else os.killpg)(process, signal.SIGKILL)
    if _ended(process) != -signal.SIGKILL:
        found["ended before"] += 1
        return False
    found.update(kills=1, workers_left=_left(process))
    found[f"{kind}, {'parent alone' if alone else 'all'}"] += 1
    problem = _broken(verb, out, old, new)
    found["whole"] += not problem
    again = _ended(_begun(verb.then(home, out), home))
    log, left = (home / "log").read_text(), files_of(out)
    parts = {verb.part(file) for file in {*new.files, *left}}
    differing = [part for part in parts if not new.has(left, part, verb.part)]
    found["identical"] += not again and not differing
    if problem or again or differing:
        print(f"{moment} {found}: {problem}; then status {again}, {differing}: {log[-1000:]}", flush=True)
        print({file for file in {*left, *new.files} if left.get(file) != new.files.get(file)}, flush=True)
    return True


def _broken(verb: Verb, out: Path, old: Expected | None, new: Expected) -> str:
    """The first part that is neither the old nor the new one, whole; "" where there is none.

    While the new parts take their places one by one, and the rest of them is there for the next command, each is judged
    by itself.
    """
    found = _visible(files_of(out))
    moving = [str(ready.parent.relative_to(out)) for ready in out.rglob(".*.ready")]
    moving += ["."] * (out / STAGE / RESULT).exists()
    part_of = (lambda path: _below(path, moving)) if moving else verb.part
    for part in sorted({*map(part_of, found), *(map(part_of, old.files) if old else ())}):
        if old and old.has(found, part, part_of):
            continue
        was = old is not None and any(part_of(name) == part for name in old.files)
        if (was or verb.finished(out, part)) and not new.has(found, part, part_of) and part not in ("notes", *NOTES):
            return part
    return ""


def _below(path: str, moving: list[str]) -> str:
    """The part of what takes its place in one of these folders that a path belongs to."""
    place = next((one for one in moving if one != "." and path.startswith(f"{one}/")), "")
    return f"{place}/{path[len(place) :].strip('/').split('/')[0]}".strip("/")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("verbs", nargs="*", help=f"of {', '.join(VERBS)}; all by default")
    parser.add_argument("--kills", type=int, default=50, help="of each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--renames", action="store_true", help="kill before each rename instead")
    given = parser.parse_args()
    held = True
    for name in given.verbs or VERBS:
        found = trial(name, None if given.renames else given.kills, given.seed)
        held &= found["whole"] == found["identical"] == found["kills"] and not found["workers_left"]
        print(json.dumps(found), flush=True)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
