"""Writes the notebooks from the text below, which is where they are edited.

python notebooks/make.py          # write the cells; outputs of cells that have not changed are kept
python notebooks/make.py --run    # and run every notebook, so that its outputs are those of a real run
"""

import sys
import tomllib
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from featherweight import find

HERE = Path(__file__).parent
Cell = tuple[str, str]
"""`text` or `code`, and what it holds."""

NAMES = ("Repository", "Source", "Homepage")
"""What an address of the repository is called under `[project.urls]` in pyproject.toml; the first found is taken."""


def repository(project: Path = HERE.parent / "pyproject.toml") -> str | None:
    """The address of the public repository, as pyproject.toml has it; None while it has none."""
    urls = tomllib.loads(project.read_text(encoding="utf-8"))["project"].get("urls", {})
    found = next((urls[name] for name in NAMES if name in urls), None)
    return None if found is None else str(found).rstrip("/").removesuffix(".git")


def badge(name: str, address: str | None) -> str:
    """A badge that opens the notebook on Colab, which it can do from GitHub alone; empty for any other address."""
    host = "https://github.com/"
    if address is None or not address.startswith(host):
        return ""
    target = f"https://colab.research.google.com/github/{address.removeprefix(host)}/blob/main/notebooks/{name}.ipynb"
    return f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({target})\n\n"


REPOSITORY = repository()


def install(address: str | None) -> str:
    """The cell that installs the package where it is missing; never from a package index by its name."""
    named = f'"git+{address}.git"' if address else '""  # there is no public address yet'
    return f"""\
# Installs the package where it is missing, as on Colab: from a checkout beside this notebook, or from its repository.
import importlib.util
import subprocess
import sys
from pathlib import Path

REPOSITORY = {named}
if importlib.util.find_spec("featherweight") is None:
    places = [Path(".."), Path(), Path("featherweight")]
    source = next((str(place.resolve()) for place in places if (place / "pyproject.toml").is_file()), REPOSITORY)
    if not source:
        raise SystemExit("There is no featherweight here; clone its repository and open this notebook from there.")
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", source], check=True)"""


INSTALL = install(REPOSITORY)

IMPORTS = """\
import inspect
import os
from dataclasses import replace

from IPython.display import {names}

import featherweight as fw
from featherweight import analysis, figures, notebook"""

DATA = """\
# MNIST, from your disk or downloaded; the tests name a small set and few epochs instead.
data = fw.load_data(os.environ.get("FEATHERWEIGHT_NOTEBOOK_DATA", "auto"))
epochs = int(os.environ.get("FEATHERWEIGHT_NOTEBOOK_EPOCHS", "{epochs}"))

print(f"{{data.name}}: {{len(data.train.labels):,}} training images and {{len(data.test.labels):,}} test images")
notebook.picture(notebook.examples(data), alt="The first four training images of each class")"""

NETWORK = """\
experiment = fw.find("{id}")
experiment = replace(experiment, recipe=experiment.recipe.with_epochs(epochs))

print(inspect.getsource(experiment.network))
print(fw.dissect(experiment.build(), (1, 28, 28)).table())
print(f"\\nbudget: {{experiment.budget.sentence()}}")"""

CHANGES = """\
display(Markdown("\\n".join(f"* {{change}}" for change in fw.differences(fw.find("{id}"), fw.find("{parent}")))))"""

TRAIN = """\
run = fw.new_run(experiment, data, seed=0)
record = notebook.train(run)"""

CURVES = """\
display(notebook.picture(figures.accuracy(record), alt="Test and training accuracy by epoch, with the target"))
display(notebook.picture(figures.loss(record), alt="Test and training loss by epoch"))"""

AUGMENTED = """\
seen = analysis.seen_in_training(record, data)
if seen is not None:  # the last epochs of the recipe are plain, and a short run has no others
    display(notebook.picture(figures.seen(seen), alt="Training digits in pairs: as given, and as seen"))"""

RATE = """\
notebook.picture(figures.learning_rate(record), alt="The learning rate by epoch")"""

ANSWERS = """\
answers = analysis.answers_of(fw.load(run.folder).trained, data)

print(notebook.class_table(analysis.class_rows(answers)))
notebook.picture(figures.class_errors(answers), alt="Errors by class")"""

MISTAKES = """\
wrong = analysis.mistakes(answers)
print(f"{len(wrong)} of {len(answers):,} test images are misclassified:")
if wrong:
    drawing = figures.misclassified(answers, data.test.images.numpy())
    display(notebook.picture(drawing, alt="Every misclassified test image: label, answer, confidence"))"""

STORY = "display(Markdown(notebook.story(record)))"

ABOUT_NETWORK = """\
## The network

Its source, then the table that is computed from it: shapes, parameters, multiply-adds, receptive field and jump. A test
holds the comments in the source to the table."""

ABOUT_MISTAKES = """\
## Every mistake

Most confident first: the label, what it was taken for, and how surely. Some labels of the test set are disputable; none
is left out."""

ABOUT_STORY = """\
## Target, result, analysis

Target and reason are the experiment's own text. What is *on record* comes from committed runs over several seeds; the
table holds the same sentences against the run above alone."""

OPENINGS = {
    "f1": """\
The exercise: tell handwritten digits apart within a hard budget, in three steps. Each step is one experiment: a
network, a recipe, a budget, and a target written down before it was trained. This is the first: get data, loop and
verdict right with a plain network that fits the budget.""",
    "f2": """\
The second step starts from what the first one's analysis says. It changes the network and leaves the rest of the recipe
alone as far as it can; what changed is computed below, not told.""",
    "f3": """\
The last step leaves the network's size as it is and changes how it is trained. A single good epoch is not enough for
the target: it must be held over the last epochs, which the band in the curves marks.""",
}
CLOSINGS = {
    "f1": "Next: [step 2](step_2.ipynb), which acts on this analysis.",
    "f2": "Next: [step 3](step_3.ipynb), which is held against the target itself.",
    "f3": "One seed proves little: `featherweight train f3 --seeds 5` trains five; the text above has what they gave.",
}


def step(id: str) -> list[Cell]:
    """The cells of one rung's notebook."""
    rung, number = find(id), id[1:]
    cells = [
        ("text", f"# Step {number}: {rung.title}\n\n{OPENINGS[id]}"),
        ("code", INSTALL),
        ("code", IMPORTS.format(names="Markdown, display")),
        ("text", "## The data"),
        ("code", DATA.format(epochs=rung.recipe.epochs)),
        ("text", ABOUT_NETWORK),
        ("code", NETWORK.format(id=id)),
    ]  # fmt: skip
    if rung.parent:
        cells += [("text", f"What it changes of `{rung.parent}`:")]
        cells += [("code", CHANGES.format(id=id, parent=rung.parent))]
    cells += [
        ("text", "## Training\n\nThe bar is redrawn in place; each epoch leaves a line."),
        ("code", TRAIN),
    ]
    if rung.recipe.augment:
        cells += [
            ("text", "What the network saw: each training image is changed anew every time it comes up."),
            ("code", AUGMENTED),
        ]
    cells += [("text", "## Curves"), ("code", CURVES)]
    if rung.recipe.augment:
        cells += [("code", RATE)]
    return [
        *cells,
        ("text", "## Class by class"),
        ("code", ANSWERS),
        ("text", ABOUT_MISTAKES),
        ("code", MISTAKES),
        ("text", ABOUT_STORY),
        ("code", STORY),
        ("text", CLOSINGS[id]),
    ]  # fmt: skip


QUICK_DATA = (
    DATA.format(epochs=10)
    .replace('"auto"', '"digits"')
    .replace(
        "# MNIST, from your disk or downloaded; the tests name a small set and few epochs instead.",
        "# Small digits that come with the package, so nothing is downloaded; name mnist for the whole task.",
    )
)

SAMPLES = """\
answers = analysis.answers_of(fw.load(run.folder).trained, data)
drawing = figures.samples(answers, data.test.images.numpy())
notebook.picture(drawing, alt="Test images with label, answer and confidence")"""

CONFUSION = """\
notebook.picture(figures.confusion_matrix(answers), alt="Confusion matrix: labels by predicted class")"""

QUICK = [
    ("text", """\
# Quick start

Train a small network on handwritten digits for a few epochs, look at what it answers, and read the verdict. The steps
that lead to the whole result are in [step 1](step_1.ipynb), [step 2](step_2.ipynb) and [step 3](step_3.ipynb)."""),
    ("code", INSTALL),
    ("code", IMPORTS.format(names="display")),
    ("code", QUICK_DATA),
    ("text", "## The network"),
    ("code", NETWORK.format(id="f3")),
    ("text", "## Training\n\nFewer epochs than the recipe has, so that it is done soon."),
    ("code", TRAIN),
    ("code", CURVES),
    ("text", "## What it answers\n\nTest images, evenly spaced in the set's order: nobody chose them."),
    ("code", SAMPLES),
    ("text", """\
Which classes it confuses: a row for each label, a column for each predicted class. Only mistakes are shaded."""),
    ("code", CONFUSION),
    ("code", MISTAKES),
    ("text", """\
## The verdict

A run is judged by its budget: parameters, epochs, and the accuracy of *each* of the last epochs."""),
    ("code", "print(record.verdict.reason)"),
]  # fmt: skip


RECORDS = """\
# The committed records: in the checkout beside this notebook, or in one that is fetched now. Nothing is trained.
ladder = os.environ.get("FEATHERWEIGHT_NOTEBOOK_LADDER", "c")  # any letter from a to f
places = [os.environ.get("FEATHERWEIGHT_NOTEBOOK_RESULTS", "../results"), "results", "featherweight/results"]
if REPOSITORY and not any(Path(place).is_dir() for place in places):
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", REPOSITORY.removeprefix("git+"), "featherweight"])
results = next(Path(place) for place in places if Path(place).is_dir())
ids = sorted((path.name for path in results.glob(f"{ladder}[0-9]*")), key=lambda id: int(id[1:]))
rungs = {id: [fw.read_record(path) for path in sorted((results / id).glob("seed*.json"))] for id in ids}

print(f"ladder {ladder}: {', '.join(f'{id} ({len(runs)} seeds)' for id, runs in rungs.items())}")"""

OVERVIEW = """\
lines = [
    "| rung | what changed | parameters | claimed, best % | best % | last % | worst of last 5 % |",
    "|---|---|--:|--:|--:|--:|--:|",
]
for id, runs in rungs.items():
    rung, summary = fw.find(id), fw.summarise(runs)
    best = sum(run.verdict.best for run in runs) / len(runs)
    claimed = "" if rung.claimed is None else f"{rung.claimed:.2f}"
    last = f"{summary.mean:.2f} ± {summary.standard_deviation:.2f}"
    lines.append(
        f"| {id} | {rung.title} | {runs[0].parameters:,} | {claimed} | {best:.2f} | {last}"
        f" | {summary.worst_of_last:.2f} |"
    )
display(Markdown("\\n".join(lines)))"""

WALK = """\
for id, runs in rungs.items():
    rung = fw.find(id)
    display(Markdown(f"## {id}: {rung.title}\\n\\n{rung.text}"))
    if rung.parent:
        changes = fw.differences(rung, fw.find(rung.parent))
        display(Markdown("\\n".join([f"Changed from `{rung.parent}`:", "", *(f"* {change}" for change in changes)])))
    print(fw.dissect(rung.build(), (1, 28, 28)).table())
    display(notebook.picture(figures.accuracy(*runs), alt=f"Accuracy of {id} by epoch, a line a seed, with the target"))
    display(notebook.picture(figures.loss(*runs), alt=f"Loss of {id} by epoch, a line a seed"))"""

WALKED = [
    ("text", """\
# A ladder, rung by rung

A ladder is a sequence of experiments, each of which changes one thing of the one before. This notebook walks one of
them from its committed records: what each rung was for, what it changed, how it learned, and what came of it. Nothing
is trained, and the test set is not opened."""),
    ("code", INSTALL),
    ("code", IMPORTS.format(names="Markdown, display").replace("import inspect\n", "").replace(
        "from dataclasses import replace\n", "").replace("analysis, ", "")),
    ("text", "## The records"),
    ("code", RECORDS),
    ("text", "The whole ladder in one table: means over seeds; the best epoch stands beside what its source claims."),
    ("code", OVERVIEW),
    ("text", "Now one rung after another."),
    ("code", WALK),
]  # fmt: skip

E_STEPS = {
    "e1": (
        "Step 1: set-up and skeleton",
        """\
The source's first notebook sets everything up: transforms and loaders, a look at the images, a summary of the network,
the loops. The network is light from the start and has batch norm.""",
    ),
    "e2": (
        "Step 2: regularisation and reading off",
        """\
The second takes the gap between training and test as the thing to close: dropout at every layer, an average in place of
the big kernel, one more layer before it and a linear one after it, and pools where the field is five and fourteen.""",
    ),
    "e3": (
        "Step 3: images and rates",
        """\
The third keeps the network. The images are cropped, turned and seen askew, and the rate begins high and falls.""",
    ),
}
"""Of each rung of the ladder, the heading and what its source does in it."""

E_TRAIN = """\
experiment = fw.find("{id}")
experiment = replace(experiment, recipe=experiment.recipe.with_epochs(min(epochs, experiment.recipe.epochs)))
run = fw.new_run(experiment, data, seed=0)
record = notebook.train(run)"""


def ladder_e() -> list[Cell]:
    """The cells of the notebook on ladder e, whose source has a notebook for each of three steps."""
    cells = [
        ("text", """\
# Three steps

One of the published ladders has exactly three steps, a notebook each. Here they are in one, in its order: each with its
target, what it changes, the network, the training and what the run says. It trains on small digits that come
with the package, which is no look at MNIST's test set; what is *on record* under each step is from runs on MNIST."""),
        ("code", INSTALL),
        ("code", IMPORTS.format(names="Markdown, display").replace("import inspect\n", "")),
        ("text", "## The data"),
        ("code", DATA.format(epochs=15).replace('"auto"', '"digits"').replace(
            "# MNIST, from your disk or downloaded; the tests name a small set and few epochs instead.",
            "# Small digits that come with the package; name mnist to train as the records were.")),
    ]  # fmt: skip
    for id, (heading, about) in E_STEPS.items():
        rung = find(id)
        cells += [("text", f"## {heading}\n\n{about}")]
        if rung.parent:
            cells += [("code", CHANGES.format(id=id, parent=rung.parent))]
        cells += [("code", f'print(fw.dissect(fw.find("{id}").build(), (1, 28, 28)).table())')]
        cells += [("code", E_TRAIN.format(id=id))]
        cells += [("code", AUGMENTED)] if rung.recipe.augment else []
        cells += [("code", CURVES), ("code", STORY)]
    return [*cells, ("text", ABOUT_MISTAKES), ("code", ANSWERS), ("code", CONFUSION), ("code", MISTAKES)]


OWN_IMPORTS = """\
import os
from pathlib import Path

from IPython.display import display
from PIL import Image
from torch import nn

import featherweight as fw
from featherweight import analysis, figures, notebook"""

OWN_PICTURES = """\
# A folder with one subfolder for each class, named after it. Put yours in its place; this one is made of small digits.
pictures = Path(os.environ.get("FEATHERWEIGHT_NOTEBOOK_PICTURES", "runs/pictures"))
if not pictures.is_dir():
    digits = fw.load_data("digits")
    for number, (image, label) in enumerate(zip(digits.train.images, digits.train.labels, strict=True)):
        folder = pictures / digits.classes[int(label)]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[0].numpy()).save(folder / f"{number:04}.png")

data = fw.load_data(str(pictures))
print(f"{len(data.classes)} classes, {len(data.train.labels):,} training images, {len(data.test.labels):,} test images")
notebook.picture(notebook.examples(data), alt="The first four training images of each class")"""

OWN_NETWORK = """\
def network(channels: int = 1, classes: int = 10) -> nn.Sequential:
    \"\"\"Three convolutions; scores of the classes.\"\"\"
    return nn.Sequential(
        fw.conv_norm_relu(channels, 6),
        nn.MaxPool2d(2),
        fw.conv_norm_relu(6, 10),
        fw.conv_norm_relu(10, 14),
        nn.MaxPool2d(2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(14, classes),
    )


epochs = int(os.environ.get("FEATHERWEIGHT_NOTEBOOK_EPOCHS", "12"))
budget = fw.Budget(parameters=4_000, epochs=epochs, accuracy=95, held=1, flash=16_384, ram=8_192)
recipe = fw.Recipe(epochs=epochs, batch=32, schedule=fw.OneCycle(), augment=fw.Augment(shift_px=2, rotate_deg=8))
model = fw.train(network, data, budget=budget, recipe=recipe, to="c")
model.summary()"""

OWN_ANSWERS = """\
print(model.record.verdict.reason)
answers = analysis.answers_of(fw.load(model.folder).trained, data)
print(notebook.class_table(analysis.class_rows(answers)))
display(notebook.picture(figures.confusion_matrix(answers), alt="Confusion matrix: labels by predicted class"))"""

OWN_PREDICT = """\
picture = sorted(pictures.rglob("*.png"))[0]
display(Image.open(picture).resize((112, 112)))
print(model.predict(Image.open(picture)), "| the folder says", picture.parent.name)"""

OWN_EXPORT = """\
exported = model.export("c", "runs/exports", data=data)
print("\\n".join(exported.lines))
for file in exported.files:
    print(f"{file.stat().st_size:8,} bytes  {file.as_posix()}")"""

OWN_HEADER = """\
header = next(file for file in exported.files if file.suffix == ".h")
print(header.read_text())"""

OWN = [
    ("text", """\
# From your own pictures to a chip

A folder of pictures becomes a network, and the network a C program without dependencies that fits a microcontroller.
The budget names flash and RAM, so a network that does not fit is refused before anything is trained."""),
    ("code", INSTALL),
    ("code", OWN_IMPORTS),
    ("text", "## The pictures\n\nA subfolder is a class. Without test images of your own, some are set aside."),
    ("code", OWN_PICTURES),
    ("text", "## The network, its budget and its training"),
    ("code", OWN_NETWORK),
    ("text", "## What it confuses\n\nA row for each label, a column for each predicted class."),
    ("code", OWN_ANSWERS),
    ("text", "One picture alone, with the answer and how sure the network is of it:"),
    ("code", OWN_PREDICT),
    ("text", """\
## The C program

Eight-bit integers, checked against the network on the test images; where there is a C compiler, the program is compiled
and has to give the same scores."""),
    ("code", OWN_EXPORT),
    ("text", "This header is all that a program of yours includes:"),
    ("code", OWN_HEADER),
    ("text", """\
Instead of writing a network, let one be found: `featherweight fit pictures --accuracy 95 --flash 16k --ram 8k` looks
for the smallest that meets the target, and writes the same program, a report and a model card."""),
]  # fmt: skip


def notebooks() -> dict[str, list[Cell]]:
    """Every notebook's cells by its file's name."""
    steps = {f"step_{id[1:]}": step(id) for id in ("f1", "f2", "f3")}
    return {"quick_start": QUICK, **steps, "ladder": WALKED, "ladder_e": ladder_e(), "own_pictures": OWN}


def built(name: str, cells: list[Cell]) -> Any:
    """The notebook without outputs."""
    made = []
    (_, opening), *rest = cells
    for number, (kind, source) in enumerate([("text", badge(name, REPOSITORY) + opening), *rest]):
        make = new_code_cell if kind == "code" else new_markdown_cell
        made.append(make(source, id=f"{name.replace('_', '-')}-{number}"))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return new_notebook(cells=made, metadata=metadata)


def executed(notebook: Any, folder: Path) -> Any:
    """The notebook run top to bottom in that folder, with its outputs."""
    from nbclient import NotebookClient

    NotebookClient(notebook, timeout=600, kernel_name="python3", record_timing=False,
                   resources={"metadata": {"path": str(folder)}}).execute()  # fmt: skip
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


def with_outputs_of(notebook: Any, path: Path) -> Any:
    """The notebook with what the file at `path` has as outputs of the same cells."""
    before = {}
    if path.is_file():
        before = {cell.id: cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"}
    for cell in notebook.cells:
        if cell.cell_type != "code" or cell.id not in before:
            continue
        # The first code cell, which installs, shows nothing; another address leaves the run below as it was.
        if before[cell.id].source == cell.source or (cell.source == INSTALL and not before[cell.id].outputs):
            cell.outputs, cell.execution_count = before[cell.id].outputs, before[cell.id].execution_count
    return notebook


def main() -> None:
    """Write every notebook, or those whose names are given."""
    names = [word for word in sys.argv[1:] if word != "--run"]
    for name, cells in notebooks().items():
        if names and name not in names:
            continue
        path = HERE / f"{name}.ipynb"
        notebook = built(name, cells)
        notebook = executed(notebook, HERE) if "--run" in sys.argv else with_outputs_of(notebook, path)
        nbformat.write(notebook, path)
        print(f"wrote {path.name}, {path.stat().st_size:,} bytes", flush=True)


if __name__ == "__main__":
    main()
