# %% [markdown]
# # From your own pictures to a chip
#
# A folder of pictures becomes a network, and the network a C program without dependencies that fits a microcontroller.
# The budget names flash and RAM, so a network that does not fit is refused before anything is trained.

# %%
# Installs featherweight where it is missing, as on Colab.
import importlib.util
import subprocess
import sys
from pathlib import Path

SOURCE = ""  # the address or file of a wheel, or git+ and the address of the repository
if importlib.util.find_spec("featherweight") is None:
    wheels = [str(path) for path in sorted(Path().glob("featherweight-*.whl"))]
    checkouts = [str(path.resolve()) for path in (Path(".."), Path()) if (path / "setup.py").is_file()]
    if source := next(filter(None, [SOURCE, *wheels, *checkouts]), ""):
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", source], check=False)
        importlib.invalidate_caches()
    else:
        print("featherweight is not installed. Put its wheel beside this notebook (on Colab: Files, then Upload), or")
        print("its address into SOURCE, and run this cell again; until then, what needs it says so and does nothing.")

# %%
import os

from IPython.display import display
from PIL import Image
from torch import nn

import featherweight as fw
from featherweight import analysis, figures, notebook

# %% [markdown]
# ## The pictures
#
# A subfolder is a class. Without test images of your own, some are set aside.

# %%
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
notebook.picture(notebook.examples(data), alt="The first four training images of each class")


# %% [markdown]
# ## The network, its budget and its training


# %%
def network(channels: int = 1, classes: int = 10) -> nn.Sequential:
    """Three convolutions; scores of the classes."""
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
model.summary()

# %% [markdown]
# ## What it confuses
#
# A row for each label, a column for each predicted class.

# %%
print(model.record.verdict.reason)
answers = analysis.answers_of(fw.load(model.folder).trained, data)
print(notebook.class_table(analysis.class_rows(answers)))
display(notebook.picture(figures.confusion_matrix(answers), alt="Confusion matrix: labels by predicted class"))

# %% [markdown]
# One picture alone, with the answer and how sure the network is of it:

# %%
picture = sorted(pictures.rglob("*.png"))[0]
display(Image.open(picture).resize((112, 112)))
print(model.predict(Image.open(picture)), "| the folder says", picture.parent.name)

# %% [markdown]
# ## The C program
#
# Eight-bit integers, checked against the network on the test images; where there is a C compiler, the program is
# compiled and has to give the same scores.

# %%
exported = model.export("c", "runs/exports", data=data)
print("\n".join(exported.lines))
for file in exported.files:
    print(f"{file.stat().st_size:8,} bytes  {file.as_posix()}")

# %% [markdown]
# This header is all that a program of yours includes:

# %%
header = next(file for file in exported.files if file.suffix == ".h")
print(header.read_text())

# %% [markdown]
# Instead of writing a network, let one be found: `featherweight fit pictures --accuracy 95 --flash 16k --ram 8k` looks
# for the smallest that meets the target, and writes the same program, a report and a model card.
