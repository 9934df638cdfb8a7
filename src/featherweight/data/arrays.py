"""Arrays and tensors that the caller has: which of them are pictures, and their pixels as bytes."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from featherweight.errors import UsageError

COLOURS = (1, 3)
"""The channels that pictures may have: grey, or RGB."""


def array_of(given: Any, what: str) -> NDArray[Any]:
    """The numbers as a numpy array; UsageError for tensors without numbers in memory, and lists of unequal lengths."""
    try:
        if isinstance(given, torch.Tensor):
            tensor = given.detach().cpu()
            return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
        return np.asarray(given)
    except (TypeError, RuntimeError, NotImplementedError) as problem:
        kind = type(given).__name__
        if isinstance(given, torch.Tensor):
            kind = f"{given.dtype}, {given.layout}, on {given.device}"
        raise UsageError(
            f"The {what} cannot become a numpy array ({kind}); give an ordinary dense tensor or array."
        ) from problem
    except ValueError as problem:  # images of several sizes
        raise UsageError(
            f"The {what} cannot become one array, probably because their sizes differ; resize them to one size,"
            " or use Data.from_dataset with size=(height, width)."
        ) from problem


def as_bytes(array: NDArray[Any], what: str) -> NDArray[np.uint8]:
    """Pixels from 0 to 255, given bytes, integers in that range, or fractions from 0 to 1; UsageError otherwise."""
    if array.dtype == np.uint8:
        return array
    if array.size and array.dtype.kind in "iufb":
        low, high = float(array.min()), float(array.max())
        if array.dtype.kind in "iu" and low >= 0 and high <= 255:
            return array.astype(np.uint8)
        if array.dtype.kind == "b" or (array.dtype.kind == "f" and low >= 0 and high <= 1):
            return np.asarray((array.astype(np.float32) * 255).round(), dtype=np.uint8)
        found = f"are {array.dtype} from {low:g} to {high:g}"
    else:
        found = f"are {array.dtype}"
    raise UsageError(
        f"The {what} {found}; give whole numbers from 0 to 255, or fractions from 0 to 1, before any normalisation."
    )


def picture_of(array: NDArray[Any], what: str) -> NDArray[np.uint8]:
    """One picture, [H W], [H W C] or [C H W] with one or three channels, as uint8 [H W] or [H W 3]."""
    if array.ndim == 3 and array.shape[0] in COLOURS and array.shape[2] not in COLOURS:
        array = array.transpose(1, 2, 0)  # [C H W] -> [H W C]
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3) or 0 in array.shape:
        raise UsageError(
            f"{what} has the shape {array.shape}; give [H W], [H W C] or [C H W] with one or three channels. Pictures"
            " with transparency can be given as Pillow images."
        )
    return as_bytes(array, f"pixels of {what[0].lower()}{what[1:]}")


def batch_of(array: NDArray[Any], channels: int) -> tuple[list[NDArray[np.uint8]], bool]:
    """The pictures of an array for a network with so many channels, and whether it is one picture alone.

    One picture is [H W], [H W C] or [C H W], and several have one dimension more. UsageError where the shape can be
    read in two ways.
    """
    shape = array.shape
    if array.ndim == 3 and shape[2] not in COLOURS:
        if shape[0] == 3 and channels == 1:
            raise UsageError(
                f"An array of {list(shape)} may be one colour picture or three grey ones: add a dimension in front for"
                " the first, or after the 3 for the second."
            )
        if shape[2] in (2, 4) or (shape[0] in (2, 4) and channels == 3):
            raise UsageError(
                f"An array of {list(shape)} looks like one picture with transparency; give it as a Pillow image, or"
                " without that channel. Several pictures can be given as a list."
            )
    if array.ndim == 4 and (shape[1] in COLOURS) == (shape[3] in COLOURS):
        raise UsageError(
            f"In an array of {list(shape)}, [N C H W] or [N H W C], either C or the other must be 1 or 3, not both."
        )
    alone = array.ndim == 2 or (array.ndim == 3 and (shape[0] in COLOURS or shape[2] in COLOURS))
    if alone or array.ndim not in (3, 4):
        return [picture_of(array, "The picture")], True
    if not array.size:
        raise UsageError(f"An array of {list(shape)} holds no picture; give at least one.")
    pixels = as_bytes(array, "pixels")
    return [picture_of(picture, "The picture") for picture in pixels], False
