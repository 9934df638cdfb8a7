"""A classifier as scikit-learn's tools expect one: `fit`, `predict`, `score`, and parameters that can be searched.

```python
from sklearn.model_selection import cross_val_score

cross_val_score(fw.Classifier(epochs=5), images, labels)
```
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import nn

from featherweight.api.train import train
from featherweight.data.dataset import Data
from featherweight.experiments.budget import Budget
from featherweight.experiments.recipe import OneCycle, Recipe
from featherweight.io import scratch_folder
from featherweight.networks.layers.blocks import conv_norm_relu

SMALLEST = 4
"""The least side of an image; rows of fewer numbers are filled up with zeros."""


class Classifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A network that is trained by `fit` on images, [n h w], [n h w c] or [n c h w], or on rows of numbers [n
    features].

    Values are scaled by the range that each number, or of images all together, has in training. `network` is a module,
    or a function of `channels` and `classes` that makes one; by default two convolutions for images, and one hidden
    layer for rows. The run's files are removed; `model_` is what `fw.train` returns.
    """

    def __init__(
        self,
        network: Any = None,
        *,
        epochs: int = 15,
        batch: int = 32,
        lr: float = 0.1,
        weight_decay: float = 0.0,
        label_smoothing: float = 0.0,
        random_state: int | None = None,
    ) -> None:
        self.network = network
        self.epochs = epochs
        self.batch = batch
        self.lr = lr
        self.weight_decay = weight_decay
        self.label_smoothing = label_smoothing
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> "Classifier":  # noqa: N803 -- scikit-learn's names
        """Train on these images or rows and their labels; returns self."""
        X, y = validate_data(self, X, y, allow_nd=True, dtype="numeric")  # noqa: N806
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"Classifier needs 2 classes or more; the data have 1 class: {self.classes_[0]!r}.")
        each = 0 if X.ndim == 2 else None  # columns are scaled one by one, images together
        self.low_, self.high_ = X.min(each), X.max(each)
        images, names = self._images(X), tuple(map(str, self.classes_))
        data = Data.from_arrays(images, labels, test=(images, labels), classes=names, channels="first")
        recipe = Recipe(
            epochs=self.epochs, batch=self.batch, lr=self.lr, weight_decay=self.weight_decay,
            label_smoothing=self.label_smoothing, schedule=OneCycle(),
        )  # fmt: skip
        with scratch_folder() as place:
            self.model_ = train(
                self.network or (_for_images if X.ndim > 2 else _for_rows(images)), data, recipe=recipe, out=place,
                threads=1, seeds=int(check_random_state(self.random_state).randint(1 << 31)),
                budget=Budget(parameters=1 << 40, epochs=self.epochs, accuracy=0, held=1),
            )  # fmt: skip
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Probabilities [n classes], in the order of `classes_`."""
        check_is_fitted(self, "model_")
        X = validate_data(self, X, allow_nd=True, dtype="numeric", reset=False)  # noqa: N806
        with torch.no_grad():
            shares: NDArray[np.float64] = self.model_(self._images(X)).double().softmax(1).numpy()
        return shares

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """The likeliest class of each, [n]."""
        shares = self.predict_proba(X)
        found: NDArray[Any] = self.classes_[shares.argmax(1)]
        return found

    def _images(self, X: Any) -> torch.Tensor:  # noqa: N803
        """These values as bytes [n C H W]; rows become images of one channel, the rest of which is zero."""
        spread = np.where(self.high_ > self.low_, self.high_ - self.low_, 1)
        scaled = np.clip((np.asarray(X, dtype=np.float64) - self.low_) / spread, 0, 1)
        if X.ndim == 2:
            side = max(SMALLEST, math.ceil(math.sqrt(X.shape[1])))
            whole = np.zeros((len(X), side * side))
            whole[:, : X.shape[1]] = scaled
            scaled = whole.reshape(len(X), 1, side, side)
        elif X.ndim == 3:
            scaled = scaled[:, None]
        elif X.shape[-1] in (1, 3) and X.shape[1] not in (1, 3):
            scaled = scaled.transpose(0, 3, 1, 2)
        return torch.from_numpy(np.round(255 * scaled).astype(np.uint8))


def _for_images(channels: int = 1, classes: int = 10) -> nn.Sequential:
    return nn.Sequential(
        conv_norm_relu(channels, 8), nn.MaxPool2d(2), conv_norm_relu(8, 16), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(16, classes),
    )  # fmt: skip


def _for_rows(images: torch.Tensor) -> Callable[..., nn.Sequential]:
    """One hidden layer over images [n 1 side side]."""
    size = images[0].numel()

    def network(channels: int = 1, classes: int = 10) -> nn.Sequential:
        return nn.Sequential(nn.Flatten(), nn.Linear(size, 32), nn.ReLU(), nn.Linear(32, classes))

    return network
