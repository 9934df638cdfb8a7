"""What is done to a picture before a network's first weight, without labels. Needs no torch.

`networks.layers.preprocessing` has the layers that say so in a network; engines and exports carry it out.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """What the first layers of a network do to every picture; by default nothing."""

    deskew: bool = False
    """Whether its slant is taken out first."""
    crop: int = 0
    """Pixels cut off each side, after that."""

    def __bool__(self) -> bool:
        return self != NOTHING

    @property
    def words(self) -> list[str]:
        """In words, as records, tables and JSON name it; empty if there is none.

        >>> Preprocessing(deskew=True, crop=1).words, Preprocessing().words
        (['deskewed', 'cropped by 1 px'], [])
        """
        return ["deskewed"] * self.deskew + [f"cropped by {self.crop} px"] * (self.crop > 0)

    def size(self, picture: tuple[int, int, int]) -> tuple[int, int, int]:
        """(C, H, W) of what the network's first weight gets of pictures of (C, H, W).

        >>> Preprocessing(crop=2).size((1, 28, 20))
        (1, 24, 16)
        """
        channels, height, width = picture
        return channels, height - 2 * self.crop, width - 2 * self.crop

    def macs(self, picture: tuple[int, int, int]) -> int:
        """Multiply-adds for a picture of (C, H, W); cropping has none."""
        _, height, width = picture
        return deskewing_macs(height, width) if self.deskew else 0


def deskewing_macs(height: int, width: int) -> int:
    """Multiply-adds of taking out a picture's slant: four for each pixel and four for each row.

    For a pixel, two sums of its row (its ink, and its ink times its column) and the two products of interpolation; for
    a row, three sums that make the moments, and its shift. The two divisions of a picture are not among them.

    >>> deskewing_macs(28, 28), 4 * 28 * 28 + 4 * 28
    (3248, 3248)
    """
    return 4 * height * width + 4 * height


NOTHING = Preprocessing()
"""Pictures as they are."""


def preprocessing_words(architecture: dict[str, Any] | None) -> list[str]:
    """The words of the preprocessing that a record's `architecture` names; empty if it names none.

    >>> preprocessing_words({"preprocessing": ["cropped by 1 px"]}), preprocessing_words(None)
    (['cropped by 1 px'], [])
    """
    found = (architecture or {}).get("preprocessing", [])
    return [word for word in found if isinstance(word, str)] if isinstance(found, list) else []
