# %% [markdown]
# # Quick start
#
# Train a small network on handwritten digits for a few epochs, look at what it answers, and read the verdict. The
# exercise step by step, in plain PyTorch too, is in [ladder C](ladder_c.ipynb) and its siblings.

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
import inspect
import os
from dataclasses import replace

from IPython.display import display

import featherweight as fw
from featherweight import analysis, figures, notebook

# %%
# Small digits that come with the package, so nothing is downloaded; name mnist for the whole task.
data = fw.load_data(os.environ.get("FEATHERWEIGHT_NOTEBOOK_DATA", "digits"))
epochs = int(os.environ.get("FEATHERWEIGHT_NOTEBOOK_EPOCHS", "10"))

print(f"{data.name}: {len(data.train.labels):,} training images and {len(data.test.labels):,} test images")
notebook.picture(notebook.examples(data), alt="The first four training images of each class")

# %% [markdown]
# ## The network

# %%
experiment = fw.find("f3")
experiment = replace(experiment, recipe=experiment.recipe.with_epochs(epochs))

print(inspect.getsource(experiment.network))
print(fw.dissect(experiment.build(), (1, 28, 28)).table())
print(f"\nbudget: {experiment.budget.sentence()}")

# %% [markdown]
# ## Training
#
# Fewer epochs than the recipe has, so that it is done soon.

# %%
run = fw.new_run(experiment, data, seed=0)
record = notebook.train(run)

# %%
display(notebook.picture(figures.accuracy(record), alt="Test and training accuracy by epoch, with the target"))
display(notebook.picture(figures.loss(record), alt="Test and training loss by epoch"))

# %% [markdown]
# ## What it answers
#
# Test images, evenly spaced in the set's order: nobody chose them.

# %%
answers = analysis.answers_of(fw.load(run.folder).trained, data)
drawing = figures.samples(answers, data.test.images.numpy())
notebook.picture(drawing, alt="Test images with label, answer and confidence")

# %% [markdown]
# Which classes it confuses: a row for each label, a column for each predicted class. Only mistakes are shaded.

# %%
notebook.picture(figures.confusion_matrix(answers), alt="Confusion matrix: labels by predicted class")

# %%
wrong = analysis.mistakes(answers)
print(f"{len(wrong)} of {len(answers):,} test images are misclassified:")
if wrong:
    drawing = figures.misclassified(answers, data.test.images.numpy())
    display(notebook.picture(drawing, alt="Every misclassified test image: label, answer, confidence"))

# %% [markdown]
# ## The verdict
#
# A run is judged by its budget: parameters, epochs, and the accuracy of *each* of the last epochs.

# %%
print(record.verdict.reason)
