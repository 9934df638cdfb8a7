"""The verb doctor: what is installed here, what was found, and what to type for whatever is missing."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from featherweight.cli.options import DataDir, Json, app, print_json, say

EXTRAS = {
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "search": ("optuna",),
    "hdf5": ("h5py",),
    "cluster": ("ray",),
    "track": ("tensorboard", "mlflow", "wandb"),
}
"""The modules that each extra of the package installs."""


@app.command()
def doctor(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Show version, engine, processor, data sets and extras, and what to type for whatever is missing."""
    found = examine(data_dir)
    if as_json:
        print_json(found)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _table_rows(found):
        table.add_row(name, value)
    Console().print(table, markup=False)
    for missing in found["missing"]:
        say(f"{missing['what']}: {missing['type']}")


def examine(data_dir: Path | None = None) -> dict[str, Any]:
    """What is here, as plain values: versions, processor, engine, data sets, extras, and what is missing."""
    import torch

    from featherweight.data import store
    from featherweight.data.sets import SETS
    from featherweight.engine import instructions, processors
    from featherweight.training.runs.environment import describe_environment

    about = describe_environment(torch.device("cpu"), processors())
    kernels = instructions()
    sets = {name: store.is_available(known, data_dir) for name, known in SETS.items()}
    extras = {name: [one for one in modules if not find_spec(one)] for name, modules in EXTRAS.items()}
    missing = [
        {"what": f"{name} lacks {', '.join(lacking)}", "type": f"pip install {' '.join(lacking)}"}
        for name, lacking in extras.items()
        if lacking
    ]
    if not kernels:
        missing.insert(0, {
            "what": "the native engine is not built, so PyTorch trains, about 7 times slower",
            "type": "install g++ or another C++ compiler, then install featherweight again",
        })  # fmt: skip
    missing += [
        {
            "what": f"data set {name} is not here",
            "type": f"python -c \"import featherweight as fw; fw.load_data('{name}')\"",
        }
        for name, here in sets.items()
        if not here
    ]
    return {
        **{name: about[name] for name in ("featherweight", "python", "torch", "system", "processor", "threads")},
        "engine": "native" if kernels else "torch",
        "instructions": kernels or about["instructions"],
        "data_folders": [str(folder) for folder in store.places(data_dir)],
        "data": sets,
        "extras": {name: not lacking for name, lacking in extras.items()},
        "missing": missing,
    }


def _table_rows(found: dict[str, Any]) -> list[tuple[str, str]]:
    """The table for people."""
    return [
        ("featherweight", f"{found['featherweight']}, Python {found['python']}, PyTorch {found['torch']}"),
        ("processor", f"{found['processor']}, {found['threads']} threads"),
        ("engine", f"{found['engine']}, {found['instructions']}"),
        ("data folders", ", ".join(found["data_folders"]) or "none"),
        ("data sets", ", ".join(name for name, here in found["data"].items() if here) or "none"),
        ("extras", ", ".join(name for name, here in found["extras"].items() if here) or "none"),
    ]
