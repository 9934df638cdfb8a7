# %% [markdown]
# # Ladder B: six iterations on four architectures
#
# The exercise: at least 99.4 % of MNIST's test digits in each of the last five epochs, in at most 15 epochs, with fewer
# than 8,000 parameters, in steps that each have a target with its reason, a result and an analysis.
#
# Here the layers stay in one order from the first step on, and width, norms, dropout, images and rate change one at a
# time. The source trains 15 epochs of batches of 32 at a rate of 0.01.
#
# Every step stands here twice: first in plain PyTorch with nothing hidden, then the same rung from featherweight. That
# both are one network is checked by their layers and by the answers that one set of weights gives in both. Augmentation
# draws from different random numbers, so accuracies differ a little. Fill in result and analysis from what *you* see.
#
# As committed, the notebook was run short, on a part of the training images; `WHOLE = True` runs it as published.
# %%
# Installs featherweight where it is missing, as on Colab. PyTorch alone is enough for the first half of every step.
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
from dataclasses import replace
from itertools import pairwise

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

WHOLE = False  # True: all 60,000 images, the published epochs, and the test set after each of them
SHORT_EPOCHS = int(os.environ.get("FEATHERWEIGHT_NOTEBOOK_EPOCHS", "5"))  # otherwise: of 12,000 images
MEAN, STD = 0.1307, 0.3081  # of MNIST's training images
torch.manual_seed(1)
data = None
if importlib.util.find_spec("featherweight") is not None:
    import featherweight as fw

    data = fw.load_data(os.environ.get("FEATHERWEIGHT_NOTEBOOK_DATA", "auto"))  # without MNIST, the embedded digits
    if not WHOLE and data.name != "digits":  # judged on images set aside, so that the test set is not looked at
        data = fw.load_data(data.name, holdout=2_000)
        part = replace(data.train, images=data.train.images[:12_000], labels=data.train.labels[:12_000])
        data = replace(data, train=part)
    train, test = ((half.images.float(), half.labels.long()) for half in (data.train, data.test))
else:  # small digits that come with scikit-learn, enlarged
    from sklearn.datasets import load_digits

    small, labels = (torch.tensor(array) for array in load_digits(return_X_y=True))
    images = F.interpolate(small.float().reshape(-1, 1, 8, 8) * 255 / 16, size=28, mode="bilinear")
    train, test = (images[:1437], labels[:1437]), (images[1437:], labels[1437:])
judged = "test images" if data is None or data.holdout == 0 else "training images set aside, in place of the test set"
print(f"{data.name if data else 'digits'}: {len(train[1]):,} images to train on, judged on {len(test[1]):,} {judged}")


# %%
class Digits(Dataset):
    """Pictures [1 28 28], changed by `transforms` and normalised, with their labels."""

    def __init__(self, images, labels, transforms=()):
        self.images, self.labels, self.transforms = images, labels, transforms

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, at):
        image = self.images[at] / 255
        for transform in self.transforms:
            image = transform(image)
        return (image - MEAN) / STD, self.labels[at]


def run_epoch(network, loader, optimizer=None):
    """The mean loss and the accuracy in percent; with an optimiser, the network is trained."""
    network.train(optimizer is not None)
    loss_sum = right = 0
    with torch.set_grad_enabled(optimizer is not None):
        for images, labels in loader:
            output = network(images)
            loss = F.cross_entropy(output, labels)  # of log-probabilities, it is the negative log-likelihood
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            loss_sum += loss.item() * len(labels)
            right += (output.argmax(1) == labels).sum().item()
    return loss_sum / len(loader.dataset), 100 * right / len(loader.dataset)


def fit(network, optimizer, scheduler=None, *, batch, epochs, transforms=(), watch=None):
    """Loss and accuracy of training, then as judged, a row an epoch; the scheduler may watch one of the four."""
    train_loader = DataLoader(Digits(*train, transforms), batch, shuffle=True)
    test_loader, rows = DataLoader(Digits(*test), 1_000), []
    for epoch in range(epochs if WHOLE else SHORT_EPOCHS):
        rate = optimizer.param_groups[0]["lr"]
        rows.append((*run_epoch(network, train_loader, optimizer), *run_epoch(network, test_loader)))
        print(f"epoch {epoch + 1:2}  rate {rate:<8g}training {rows[-1][1]:6.2f} %  judged {rows[-1][3]:6.2f} %")
        if scheduler is not None:
            scheduler.step(*(() if watch is None else [rows[-1][watch]]))
    return rows


# %%
results = {}  # by rung: accuracy in plain PyTorch, and through featherweight


def show(network, rows):
    """Loss and accuracy by epoch, the accuracy of each class, and the ten surest mistakes."""
    with torch.no_grad():
        output = torch.cat([network.eval()(images) for images, _ in DataLoader(Digits(*test), 1_000)])
    sure, chosen = output.softmax(1).max(1)
    right = chosen == test[1]
    _, axes = plt.subplots(1, 3, figsize=(12, 2.6), dpi=60)
    for axis, name, at in ((axes[0], "loss", 0), (axes[1], "accuracy, %", 1)):
        axis.plot(range(1, len(rows) + 1), [row[at] for row in rows], marker=".", label="training")
        axis.plot(range(1, len(rows) + 1), [row[at + 2] for row in rows], marker=".", label="judged")
        axis.set(title=name, xlabel="epoch")
        axis.legend()
    classes = [100 * right[test[1] == digit].float().mean().item() for digit in range(10)]
    axes[2].bar(range(10), classes)
    axes[2].set(title="accuracy of each class, %", ylim=(max(0, min(classes) - 5), 100), xticks=range(10))
    plt.show()
    wrong = torch.where(~right)[0]
    wrong = wrong[sure[wrong].argsort(descending=True)][:10]
    _, axes = plt.subplots(1, 10, figsize=(12, 1.5), dpi=60)
    for axis in axes:
        axis.axis("off")
    for axis, at in zip(axes, wrong.tolist(), strict=False):
        axis.imshow(test[0][at, 0], cmap="gray_r")
        axis.set_title(f"{test[1][at]}, not {chosen[at]}")
    plt.show()


def through_featherweight(id, network, rows):
    """The same rung from the package: the same network, shown by its weights, and its training in one call."""
    results[id] = [rows[-1][3], None]
    if data is None:
        print("featherweight is not installed; the first cell says how to get it.")
        return
    rung = fw.find(id)
    twin, own = rung.build(), network.state_dict()
    assert [value.shape for value in twin.state_dict().values()] == [value.shape for value in own.values()]
    twin.load_state_dict(dict(zip(twin.state_dict(), own.values(), strict=True)))
    images = (test[0][:100] / 255 - MEAN) / STD
    with torch.no_grad():
        torch.testing.assert_close(twin.eval()(images), network.eval()(images), atol=1e-5, rtol=1e-5)
    print(fw.dissect(twin, (1, 28, 28)).table())
    short = replace(rung, recipe=rung.recipe.with_epochs(SHORT_EPOCHS))
    model = fw.train(rung if WHOLE else short, data)
    results[id][1] = model.record.verdict.last


# %% [markdown]
# ## B1: a skeleton
#
# All layers in their final order, and 170,000 parameters. **Target:** A set-up that works, and what these layers can
# do at most.


# %%
class Iteration(nn.Module):
    """Twice two padded convolutions and a pool, one more, the average of each channel, two 1 x 1 layers.

    A norm stands before the convolution that reads it: after ReLU, or after the pool or average in between.
    """

    def __init__(self, widths, norm=False, drop=0.0):
        super().__init__()
        a, b, c, d, e, f = widths

        def conv(inputs, outputs, kernel=3):
            layers = [nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)]
            return nn.Sequential(*layers, *[nn.Dropout(drop)] * (drop > 0), nn.ReLU())

        def normed(layer, channels):
            return nn.Sequential(layer, *[nn.BatchNorm2d(channels)] * norm)

        self.first = nn.Sequential(normed(conv(1, a), a), conv(a, b), normed(nn.MaxPool2d(2), b))
        self.second = nn.Sequential(normed(conv(b, c), c), conv(c, d), normed(nn.MaxPool2d(2), d))
        self.third = nn.Sequential(conv(d, e), normed(nn.AdaptiveAvgPool2d(1), e))
        self.digits = nn.Sequential(normed(conv(e, f, 1), f), nn.Conv2d(f, 10, 1), nn.Flatten(), nn.LogSoftmax(dim=1))

    def forward(self, x):
        return self.digits(self.third(self.second(self.first(x))))


network = Iteration((32, 32, 64, 64, 128, 256))
optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
rows = fit(network, optimizer, batch=32, epochs=15)
show(network, rows)

# %%
through_featherweight("b1", network, rows)

# %% [markdown]
# **Result**, yours: *training and test accuracy, best and last.* **Analysis**, yours: *what next, and why?*

# %% [markdown]
# ## B2: fewer parameters
#
# Only the widths change. **Target:** Fewer than 8,000 parameters, less learnt by heart.

# %%
narrow = (9, 10, 16, 16, 16, 32)
network = Iteration(narrow)
optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
rows = fit(network, optimizer, batch=32, epochs=15)
show(network, rows)

# %%
through_featherweight("b2", network, rows)

# %% [markdown]
# **Result**, yours: *training and test accuracy, best and last.* **Analysis**, yours: *what next, and why?*

# %% [markdown]
# ## B3: batch norm
#
# Norms, for 198 parameters. **Target:** More accuracy at the same size.

# %%
network = Iteration(narrow, norm=True)
optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
rows = fit(network, optimizer, batch=32, epochs=15)
show(network, rows)

# %%
through_featherweight("b3", network, rows)

# %% [markdown]
# **Result**, yours: *training and test accuracy, best and last.* **Analysis**, yours: *what next, and why?*

# %% [markdown]
# ## B4: dropout
#
# 1 % of the values is dropped between each convolution and its ReLU. **Target:** The same accuracy, steadier from
# epoch to epoch.

# %%
network = Iteration(narrow, norm=True, drop=0.01)
optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
rows = fit(network, optimizer, batch=32, epochs=15)
show(network, rows)

# %%
through_featherweight("b4", network, rows)

# %% [markdown]
# **Result**, yours: *training and test accuracy, best and last.* **Analysis**, yours: *what next, and why?*

# %% [markdown]
# ## B5: turned and tilted images
#
# Turns by up to 7 degrees, and for every second image moved corners. **Target:** Training harder, the test better.


# %%
def rotated(degrees, fill=0.0):
    """A transform: turned about the middle by up to `degrees` either way; each pixel takes the nearest."""

    def transform(image):
        angle = torch.deg2rad((2 * torch.rand(()) - 1) * degrees)
        turn = torch.stack([angle.cos(), -angle.sin(), angle * 0, angle.sin(), angle.cos(), angle * 0]).reshape(1, 2, 3)
        grid = F.affine_grid(turn, [1, *image.shape], align_corners=False)
        return F.grid_sample(image[None] - fill, grid, mode="nearest", align_corners=False)[0] + fill

    return transform


def perspective(scale, probability):
    """A transform: with this probability, corners move inwards by up to `scale` of half a side, in whole pixels."""

    def transform(image):
        if torch.rand(()) >= probability:
            return image
        side = image.shape[-1]
        corners = torch.tensor([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])
        moved = corners * (1 - torch.randint(0, int(scale * side / 2) + 1, (4, 2)) * 2 / (side - 1))
        rows = []  # the eight equations of the map that takes each moved corner back to where it was
        for (x, y), (u, v) in zip(moved.tolist(), corners.tolist(), strict=True):
            rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        back = torch.cat([torch.linalg.solve(torch.tensor(rows), corners.flatten()), torch.ones(1)]).reshape(3, 3)
        places = torch.arange(side) * 2 / (side - 1) - 1
        y, x = torch.meshgrid(places, places, indexing="ij")
        seen = torch.stack([x, y, torch.ones_like(x)], -1) @ back.T
        return F.grid_sample(image[None], (seen[..., :2] / seen[..., 2:])[None], align_corners=True)[0]

    return transform


transforms = [rotated(7), perspective(0.3, 0.5)]
network = Iteration(narrow, norm=True, drop=0.01)
optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
rows = fit(network, optimizer, batch=32, epochs=15, transforms=transforms)
show(network, rows)

# %%
through_featherweight("b5", network, rows)

# %% [markdown]
# **Result**, yours: *training and test accuracy, best and last.* **Analysis**, yours: *what next, and why?*

# %% [markdown]
# ## B6: a rate that falls when nothing improves
#
# The rate is halved after each epoch in which test loss has not fallen. It watches the test set, which so has a say in
# its own result; the source does that, and a fair run would set images aside. **Target:** 99.4 % in each of the last
# epochs, not once.

# %%
network = Iteration(narrow, norm=True, drop=0.01)
optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
rows = fit(network, optimizer, scheduler, batch=32, epochs=15, transforms=transforms, watch=2)
show(network, rows)

# %%
through_featherweight("b6", network, rows)

# %% [markdown]
# **Result**, yours: *training and test accuracy, best and last.* **Analysis**, yours: *what next, and why?*

# %% [markdown]
# ## All steps
#
# What each step gave here, and what its source reports for the whole training. B1 and B2 have no norm: whether so
# short a run gets going at all depends on the first weights, and the two columns draw their own.

# %%
why = (
    "Fewer weights, dropout and harder images pay only once training is long enough to\n"
    "learn by heart, and so short a run stops before that. `WHOLE = True` trains as the source did."
)
print("step   plain PyTorch   featherweight   its source, best epoch")
for id, (plain, ours) in results.items():
    print(f"{id:6} {plain:11.2f} %" + (f" {ours:13.2f} % {fw.find(id).claimed:13.2f} %" if ours else ""))
for (before, (high, _)), (after, (low, _)) in pairwise(results.items()):
    if low < high:
        print(f"\n{after} is {high - low:.2f} points below {before} here. {why}")
