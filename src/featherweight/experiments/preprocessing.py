"""What is done to a picture before a network's first weight, without labels. Needs no torch.

`networks.preprocessing` has the layers that say so in a network; engines and exports carry it out.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """What the first layers of a network do to every picture; by default nothing."""

    crop: int = 0
    """Pixels cut off each side."""

    def __bool__(self) -> bool:
        return self != NOTHING

    @property
    def words(self) -> list[str]:
        """In words, as records, tables and JSON name it; empty if there is none.

        >>> Preprocessing(crop=1).words, Preprocessing().words
        (['cropped by 1 px'], [])
        """
        return [f"cropped by {self.crop} px"] if self.crop else []

    def size(self, picture: tuple[int, int, int]) -> tuple[int, int, int]:
        """(C, H, W) of what the network's first weight gets of pictures of (C, H, W).

        >>> Preprocessing(crop=2).size((1, 28, 20))
        (1, 24, 16)
        """
        channels, height, width = picture
        return channels, height - 2 * self.crop, width - 2 * self.crop


NOTHING = Preprocessing()
"""Pictures as they are."""


def told(architecture: dict[str, Any] | None) -> list[str]:
    """The words of the preprocessing that a record's `architecture` names; empty if it names none.

    >>> told({"preprocessing": ["cropped by 1 px"]}), told(None)
    (['cropped by 1 px'], [])
    """
    found = (architecture or {}).get("preprocessing", [])
    return [word for word in found if isinstance(word, str)] if isinstance(found, list) else []
