"""Fits when a run's network answers "none of these" on held-out pictures, and measures what it then refuses.

The test set is read for that figure alone, after the threshold was fitted.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from featherweight import data as datasets
from featherweight.data.augment import normalise
from featherweight.data.dataset import Data
from featherweight.data.pictures import SUFFIXES, PictureError, fit_to_shape, read
from featherweight.errors import FileError, UsageError
from featherweight.escape import printable
from featherweight.experiments.calibration import COVERED, REFUSED, Calibration, Floats, Usual, fitted, usual_scores
from featherweight.io import is_folder
from featherweight.training.runs.trained import TrainedModel, data_of, load_trained, requested_size, weights_digest

MADE, SCRAMBLED = 1000, 4
"""Pictures of each kind of stranger at most; and the blocks on each side of one that is scrambled."""
TRAINED = 6000
"""Training pictures, at most, that say what scores are usual."""
BATCH = 500


def calibrate(
    folder: Path, *, by: Path | None = None, data_dir: Path | None = None, strangers: Sequence[str] = (),
    refuse: float = REFUSED, cover: float = COVERED, experiment: Path | None = None,
) -> Calibration:  # fmt: skip
    """Fit the calibration of the run in this folder and write it there; exports and `predict` then use it.

    The scores are those of the pictures that the run held out of its training; or, for a run that held none out, of
    those that the run in the folder `by` held out, which has the same network and recipe. `strangers` are folders of
    pictures, or names of data sets, that show none of the classes; what is refused of them is measured. `refuse` and
    `cover` are percent, as in `fitted`.

    Raises UsageError where nothing was held out, or if the two runs are not alike.
    """
    trained = load_trained(folder, experiment=experiment)
    judge = trained if by is None else _like(trained, load_trained(by, experiment=experiment))
    if not judge.record.data["holdout"]:
        raise UsageError(
            f"{printable(by or folder)} has seen all its training images, so that none tell how sure it is of new ones."
            " Train the same once more with --holdout N, and name the folder of that run with --by."
        )
    data = data_of(judge.record, data_dir)
    held, scores = data.test, scores_of(judge, data.test.images)
    usual = usual_of(judge, data)
    known = fitted(
        scores, held.labels.numpy(), usual.margin(scores), usual if by is None else usual_of(trained, data),
        refuse=refuse, cover=cover,
        by="itself" if by is None else f"seed {judge.record.seed} trained on the other images",
    )  # fmt: skip
    found = replace(known, weights=weights_digest(folder))
    kinds = {} if by is None else {"test images": data_of(trained.record, data_dir).test.images}
    found = measured(found, trained, kinds | dict(made_strangers(held.images)))
    found = measured(found, trained, {name: _pictures(name, trained, data_dir) for name in strangers})
    found.save(folder)
    return found


def usual_of(trained: TrainedModel, data: Data) -> Usual:
    """What scores the network gives the pictures that it was trained on, by some of them, evenly spread."""
    part = data.train.take(torch.arange(0, len(data.train), -(-len(data.train) // TRAINED)))
    return usual_scores(scores_of(trained, part.images), part.labels.numpy())


def measured(known: Calibration, trained: TrainedModel, kinds: dict[str, Tensor]) -> Calibration:
    """The calibration with what the network refuses of each kind of pictures, uint8 [N C H W], added."""
    found = dict(known.refused)
    for name, images in kinds.items():
        refused = known.unknown(scores_of(trained, images))
        if refused is not None:
            found[name] = int(refused.sum()), len(images)
    return replace(known, refused=found)


def scores_of(trained: TrainedModel, images: Tensor) -> Floats:
    """The network's scores, [N classes], of pictures, uint8 [N C H W]."""
    with torch.no_grad():
        parts = [trained.network(normalise(part, trained.mean, trained.std)) for part in torch.split(images, BATCH)]
    scores: Floats = torch.cat(parts).double().numpy()
    return scores


def made_strangers(known: Tensor, seed: int = 0) -> Iterator[tuple[str, Tensor]]:
    """Kinds of pictures that show nothing, uint8 [N C H W], of the size of these: noise, frames of one colour, and
    some of these cut into 16 blocks that are put together in another order."""
    draws = torch.Generator().manual_seed(seed)
    shape = known.shape[1:]
    yield "noise", torch.randint(0, 256, (MADE, *shape), generator=draws, dtype=torch.uint8)
    colours = torch.randint(0, 256, (MADE, shape[0], 1, 1), generator=draws, dtype=torch.uint8)
    yield "frames of one colour", colours.expand(-1, *shape).contiguous()
    chosen = known[torch.randperm(len(known), generator=draws)[:MADE]].clone()
    height, width = (side // SCRAMBLED for side in shape[1:])
    if height and width:
        inner = chosen[:, :, : SCRAMBLED * height, : SCRAMBLED * width]
        blocks = inner.unfold(2, height, height).unfold(3, width, width).flatten(2, 3)  # [N C 16 height width]
        order = torch.stack([torch.randperm(SCRAMBLED**2, generator=draws) for _ in chosen])
        mixed = torch.gather(blocks, 2, order[:, None, :, None, None].expand_as(blocks))
        rows = mixed.reshape(*mixed.shape[:2], SCRAMBLED, SCRAMBLED, height, width).transpose(3, 4)
        inner.copy_(rows.reshape(inner.shape))
        yield "scrambled images", chosen


def _like(trained: TrainedModel, other: TrainedModel) -> TrainedModel:
    """The other run; UsageError unless its network, recipe, classes and data are the same."""
    one, two = trained.record, other.record
    same = {
        "network": one.network == two.network and trained.shape == other.shape,
        "recipe": one.recipe == two.recipe,
        "data": (one.data["source"], trained.classes) == (two.data["source"], other.classes),
    }
    if unlike := [name for name, equal in same.items() if not equal]:
        raise UsageError(
            f"--by names a run of the same experiment that was trained with --holdout; its {' and '.join(unlike)}"
            f" {'is' if len(unlike) == 1 else 'are'} not that of the run."
        )
    return other


def _pictures(name: str, trained: TrainedModel, data_dir: Path | None) -> Tensor:
    """At most `MADE` pictures, evenly spread, of a folder or of a data set's training images, as the network takes
    them; UsageError if there are none."""
    if is_folder(name):
        files = sorted(path for path in Path(name).rglob("*") if path.suffix.lower() in SUFFIXES)
        arrays = [_read(path) for path in files[:: _stride(len(files))]]
    else:
        images = datasets.load(name, directory=data_dir, holdout=1).train.images
        arrays = [image.permute(1, 2, 0).numpy() for image in images[:: _stride(len(images))]]
    if not arrays:
        raise UsageError(f"The folder {printable(name)} holds no picture ({', '.join(SUFFIXES)}); name one that does.")
    size = requested_size(trained.record)
    return torch.from_numpy(np.stack([fit_to_shape(one.squeeze(), trained.shape, size) for one in arrays]))


def _stride(count: int) -> int:
    return max(1, -(-count // MADE))


def _read(path: Path) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    try:
        return read(path).pixels
    except PictureError as problem:
        raise FileError(f"{printable(path)} {problem}.") from problem
