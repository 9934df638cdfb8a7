"""The table of engines: `python -m benchmarks.engine` prints it; `--write` also saves its figures and docs/speed.md.

For each network, the native engine and PyTorch in its several ways are timed by `featherweight bench NETWORK --steps
200`, once as the processor is and once with AVX2 alone; Keras and JAX, where they are installed, take turns with the
native engine over fewer steps.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from docs.build.rendering import rendered, with_part_between

from benchmarks import peers
from featherweight import engine as engines
from featherweight.experiments.experiment import find
from featherweight.io import write_text
from featherweight.training import bench
from featherweight.training.runs.environment import describe_environment

ROOT = Path(__file__).parents[1]
RESULT, PAGE = ROOT / "results" / "bench" / "engine.json", ROOT / "docs" / "speed.md"
_BY = "table, written by `python -m benchmarks.engine --write`"
MARKS = (f"<!-- begin: {_BY} -->", f"<!-- end: {_BY} -->")
NETWORKS = ("f3", "smallest", "relaxed", "leanest", "c3", "cifar-78k")
"""Those that hold the records, the exercise's last one, and a residual one for colour pictures."""
STEPS, PEER_STRETCHES, PEER_STEPS = 200, 8, 3
BATCH = 128


def measure(
    names: Sequence[str] = NETWORKS, *, steps: int, tell: Callable[[str], None] = lambda line: None
) -> dict[str, Any]:
    """Every figure of the page for these networks, as plain values."""
    threads = sorted({1, min(2, engines.processors())})
    epochs, avx2, others, shares = [], [], [], []
    for name in names:
        tell(f"{name}: as it is")
        epochs += timed(name, bench.available(), steps)
        tell(f"{name}: AVX2")
        avx2 += timed(name, (bench.NATIVE, bench.LAST), steps, "avx2")
        for n in threads:
            tell(f"{name}: convolutions alone and other frameworks, {n} thread(s)")
            experiment = find(name)
            found = engines.convolutions(experiment.build(), shape=experiment.shape, batch=BATCH, threads=n)
            top = max(engines.peak(n, 0.1) for _ in range(10))
            shares.append(
                {"network": name, "threads": n, "plain": found.plain / found.seconds / top,
                 "executed": found.executed / found.seconds / top}
            )  # fmt: skip
            others += _peers(name, n)
    return {
        "environment": describe_environment(bench.CPU, max(threads)) | {"peers": peers.versions()} | _processor(),
        "steps": steps, "peak": {str(n): max(engines.peak(n, 0.1) for _ in range(10)) for n in threads},
        "epochs": epochs, "avx2": avx2, "peers": others, "convolutions": shares,
    }  # fmt: skip


def timed(name: str, kinds: Sequence[str], steps: int, instructions: str = "") -> list[dict[str, Any]]:
    """Rows of `featherweight bench`, in a process of its own, with these instructions of the processor alone."""
    words = ["bench", name, "--json", "--seconds", "1", "--steps", str(steps)]
    words += [word for kind in kinds for word in ("--engine", kind)]
    more = {"ATEN_CPU_CAPABILITY": instructions} if instructions else {}
    done = subprocess.run(
        [sys.executable, "-m", "featherweight", *words], stdout=subprocess.PIPE, check=True, env={**os.environ, **more}
    )
    found: list[dict[str, Any]] = json.loads(done.stdout)["epochs"]
    return found


def _peers(name: str, threads: int) -> list[dict[str, Any]]:
    """Seconds of an epoch in the frameworks that are installed, and of the native engine in turns with them."""
    experiment = find(name)
    kinds = peers.installed()
    if not kinds:
        return []
    recipe, shape = experiment.recipe, experiment.shape
    runs: dict[str, Iterator[object]] = {
        kind: peers.steps(kind, experiment.build(), threads, recipe.batch, shape) for kind in kinds
    }
    runs[bench.NATIVE] = bench.training_steps(bench.NATIVE, experiment.build(), recipe, threads, shape=shape)
    return [
        {"network": name, "engine": kind, "threads": threads,
         "seconds": statistics.median(times) * bench.IMAGES / recipe.batch}
        for kind, times in in_turns(runs).items()
    ]  # fmt: skip


def in_turns(runs: dict[str, Iterator[object]]) -> dict[str, list[float]]:
    """Seconds of a step of each run, stretch by stretch; the first stretch of each is a warm-up and not counted."""
    times: dict[str, list[float]] = {kind: [] for kind in runs}
    torch.set_num_threads(1)
    for stretch in range(PEER_STRETCHES + 1):
        for kind, run in runs.items():
            started = time.perf_counter()
            for _ in range(PEER_STEPS):
                next(run)
            if stretch:
                times[kind].append((time.perf_counter() - started) / PEER_STEPS)
    return times


def _processor() -> dict[str, Any]:
    """Family, model and caches of the processor, where the system tells."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return {}
    numbers = {name: int(found[1]) for name in ("cpu family", "model")
               if (found := re.search(rf"^{name}\s*: (\d+)$", text, re.MULTILINE))}  # fmt: skip
    caches = []
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = ((index / part).read_text().strip() for part in ("level", "type", "size"))
        if kind != "Instruction":
            caches.append(f"L{level} {size}")
    return {"family": numbers.get("cpu family"), "model": numbers.get("model"), "caches": caches}


def table(found: dict[str, Any]) -> str:
    """The figures as Markdown."""
    rows = [bench.Timed(**row) for row in found["epochs"]]
    by = {(row.network, row.engine, row.threads): row for row in rows}
    narrow = {(row["network"], row["engine"], row["threads"]): row["seconds"] for row in found["avx2"]}
    others = {(row["network"], row["engine"], row["threads"]): row["seconds"] for row in found["peers"]}
    shares = {(row["network"], row["threads"]): row for row in found["convolutions"]}
    lines, more = [], []
    against: dict[str, list[float]] = {}
    for name, n in dict.fromkeys((row.network, row.threads) for row in rows):
        ways = [kind for kind in bench.KINDS if kind not in bench.NATIVES]
        seconds = {kind: by[name, kind, n].seconds for kind in bench.KINDS if (name, kind, n) in by}
        best = min(seconds[kind] for kind in ways)
        cells = [f"**{seconds[kind]:.2f}**" if seconds[kind] == best else f"{seconds[kind]:.2f}" for kind in ways]
        cells += [f"{seconds[kind]:.2f}" if kind in seconds else "–" for kind in bench.NATIVES]
        own = seconds[bench.NATIVE]
        ratios = [min(seconds[kind] for kind in bench.FLOATS) / own, best / min(seconds[kind] for kind in seconds
                  if kind in bench.NATIVES), seconds[bench.EAGER] / own]  # fmt: skip
        against.setdefault(name, []).append(ratios[1])
        share, spread = by[name, bench.NATIVE, n].share, max(by[name, kind, n].spread for kind in seconds)
        cells += [f"{ratio:.1f}" for ratio in ratios] + [f"{share:.0%}" if share else "–", f"{spread:.1f}"]
        lines.append((name, n, cells))
        peer = [others.get((name, kind, n)) for kind in (peers.KERAS, peers.JAX)]
        native = others.get((name, bench.NATIVE, n))
        more.append(
            (name, n, narrow[name, bench.NATIVE, n], narrow[name, bench.LAST, n] / narrow[name, bench.NATIVE, n],
             [f"{one / native:.1f}" if one and native else "–" for one in peer], shares[name, n])
        )  # fmt: skip
    about = found["environment"]
    return rendered(
        "speed.md.j2",
        lines=lines,
        more=more,
        about=about,
        peak=found["peak"],
        steps=found["steps"],
        against={name: (min(ratios), max(ratios)) for name, ratios in against.items()},
    ).rstrip()


def merged(kept: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """The newer figures, and those that are kept of other networks, in the order of `NETWORKS`."""
    new = {row["network"] for row in found["epochs"]}
    parts = {part: [*(row for row in kept[part] if row["network"] not in new), *found[part]]
             for part in ("epochs", "avx2", "peers", "convolutions")}  # fmt: skip
    return found | {part: sorted(rows, key=lambda row: NETWORKS.index(row["network"])) for part, rows in parts.items()}


def page(text: str, found: dict[str, Any]) -> str:
    """The text of the page with its tables replaced by those of these figures."""
    return with_part_between(text, MARKS, table(found), PAGE)


def main() -> None:
    """Measure, print, and save if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=STEPS, help="steps to time for each engine")
    parser.add_argument(
        "--only", nargs="+", default=NETWORKS, help="networks to measure; the figures of others are kept"
    )
    parser.add_argument("--write", action="store_true", help=f"save as {RESULT.name}")
    given = parser.parse_args()
    found = measure(given.only, steps=given.steps, tell=lambda line: print(line, flush=True))
    if len(given.only) < len(NETWORKS) and RESULT.exists():
        found = merged(json.loads(RESULT.read_text(encoding="utf-8")), found)
    print(table(found))
    if given.write:
        write_text(RESULT, json.dumps(found, indent=1) + "\n")
        write_text(PAGE, page(PAGE.read_text(encoding="utf-8"), found))


if __name__ == "__main__":
    main()
