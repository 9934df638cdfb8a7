"""Figures of exported files: `python -m benchmarks.export f3` prints them; `--write` saves results/export/f3.json.

Takes a run's folder or the name of a network in the package. Needs MNIST, the extra `onnx`, a C compiler, the Arm
compiler with QEMU, and Chromium. The milliseconds depend on the machine; everything else is the same on any machine.
"""

import argparse
import base64
import json
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from playwright.sync_api import Page, sync_playwright

from benchmarks import cortex_m
from featherweight import data as datasets
from featherweight.export import export, proof, source_of
from featherweight.training.runs import environment
from featherweight.training.runs.trained import TrainedModel, load_any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))  # for its drawn digits
from exported import CHROMIUM, DRAWN  # noqa: E402

EMULATED = 20
"""Number of test digits given to each emulated processor."""


def measured(trained: TrainedModel) -> dict[str, Any]:
    """The figures of every exported form of a network on MNIST's test digits."""
    source = source_of(trained)
    with tempfile.TemporaryDirectory() as scratch:
        forms = {form: export(trained, form, Path(scratch)).about for form in ("onnx", "c", "page")}
        assert forms["c"]["proof"]["pictures"] == 10_000, "MNIST is needed: set FEATHERWEIGHT_DATA to its folder"
        program = cortex_m.Program(Path(scratch) / source.name, source.name)
        processors = {cpu: {level: _on(program, cpu, level) for level in ("-Os", "-O2")} for cpu in cortex_m.BOARDS}
        browser = _in_browser(Path(scratch) / f"{source.name}.html", trained)
    return {
        "network": source.about(),
        "environment": _environment(),
        "onnx": forms["onnx"]["proof"] | {"bytes": forms["onnx"]["files"][f"{source.name}.onnx"]["bytes"]},
        "c": forms["c"]["proof"],
        "cortex_m": processors,
        "page": browser | {"bytes": forms["page"]["files"][f"{source.name}.html"]["bytes"]},
    }


def _on(program: cortex_m.Program, cpu: str, level: str) -> dict[str, Any]:
    pictures = datasets.load("mnist").test.images[:EMULATED]
    found = cortex_m.emulated(program, cpu, pictures.numpy(), level)
    return cortex_m.sizes(program, cpu, level) | {
        "stack": found["stack"],
        "instructions": found["instructions"],
        "digits": found["scores"].argmax(1).tolist(),
    }


def _in_browser(file: Path, trained: TrainedModel) -> dict[str, Any]:
    """The page's results on 1,000 test digits, and the milliseconds it takes from strokes to probabilities."""
    pictures = datasets.load("mnist").test.images[:1000]
    with sync_playwright() as player:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = player.chromium.launch(executable_path=CHROMIUM, args=options)
        tab = browser.new_page(viewport={"width": 1366, "height": 768})
        tab.goto(file.as_uri())
        packed = base64.b64encode(pictures.numpy().tobytes()).decode()
        found = np.array(tab.evaluate(
            "packed => { const all = Uint8Array.from(atob(packed), c => c.charCodeAt(0)), found = [];"
            " for (let at = 0; at < all.length; at += 784) found.push(probabilities(all.subarray(at, at + 784)));"
            " return found; }", packed,
        ))  # fmt: skip
        times = _times(tab)
        browser.close()
    expected = proof.network_probabilities(source_of(trained), pictures)
    return {
        "pictures": len(pictures),
        "largest_difference": float(np.abs(found - expected).max()),
        "different_answers": int((found.argmax(1) != expected.argmax(1)).sum()),
        "milliseconds_median": statistics.median(times),
        "milliseconds_95": statistics.quantiles(times, n=20)[-1],
        "milliseconds_worst": max(times),
        "updates": len(times),
    }


def _times(tab: Page) -> list[float]:
    """The time of every update while ten digits are drawn three times each, without the first digit, a warm-up."""
    times = []
    for turn, strokes in enumerate([*DRAWN.values()] * 3):
        tab.evaluate("takeBack(true)")
        for stroke in strokes:
            tab.evaluate("start => state.strokes.push([start])", stroke[0])
            for point in stroke[1:]:
                tab.evaluate("point => { state.strokes[state.strokes.length - 1].push(point); update(); }", point)
                times += [tab.evaluate("state.milliseconds")] if turn else []
    return times


def _environment() -> dict[str, str]:
    def first_line(*command: str) -> str:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0].strip()

    return {
        "processor": environment.describe_environment(environment.device_for("cpu"), 1)["processor"],
        "system": f"{platform.system()} {platform.machine()}",
        "onnxruntime": onnxruntime.__version__,
        "compiler": first_line("cc", "--version"),
        "arm_compiler": first_line(cortex_m.COMPILER, "--version"),
        "emulator": first_line(cortex_m.EMULATOR, "--version"),
        "browser": first_line(CHROMIUM or "chromium", "--version"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="a run's folder, or the name of a network in the package")
    parser.add_argument("--write", action="store_true", help="save the figures under results/export")
    given = parser.parse_args()
    missing = [*cortex_m.MISSING, *(name for name in ("cc", CHROMIUM or "chromium") if shutil.which(name) is None)]
    if missing:
        sys.exit(f"These programs are needed but not installed: {', '.join(missing)}")
    trained = load_any(given.run)
    text = json.dumps(measured(trained), indent=1) + "\n"
    print(text)
    if given.write:
        target = ROOT / "results" / "export" / f"{source_of(trained).name}.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


if __name__ == "__main__":
    main()
