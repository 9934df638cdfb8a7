"""A look at the pictures before anything is trained: what occurs twice, in training and test or under two labels, and
how uneven the classes are.

Of the test pictures nothing but their equality with training pictures is used.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from featherweight.data.split import Split
from featherweight.escape import printable

UNEVEN = 1.5
"""Times as many pictures of one class as of another, from which on that is said."""
NAMED = 3
"""Files that are named of each kind."""


@dataclass(frozen=True, kw_only=True)
class DataChecks:
    """What the look at the pictures found."""

    in_both: int = 0
    """Test pictures that are equal to a training picture in every pixel."""
    two_labels: int = 0
    """Training pictures that are equal to one with another label."""
    twins: int = 0
    """Training pictures that are equal to an earlier one."""
    least: tuple[str, int] = ("", 0)
    """The class with the fewest training pictures, and how many."""
    most: tuple[str, int] = ("", 0)
    examples: tuple[str, ...] = ()
    """Of files under two labels, or in both halves, a few."""

    def lines(self, balanced: bool) -> list[str]:
        """What people should know of it, a sentence each."""
        found, named = [], f" ({', '.join(self.examples)})" if self.examples else ""
        if self.most[1] > UNEVEN * self.least[1]:
            hint = "" if balanced else "; --balanced has every class count alike"
            found.append(
                f"not balanced: {self.least[1]:,} of {self.least[0]}, {self.most[1]:,} of {self.most[0]}{hint}"
            )
        if self.two_labels:
            found.append(f"{self.two_labels:,} training images occur under two labels{named}; one of each is wrong")
        if self.in_both:
            found.append(
                f"{self.in_both:,} test images are also training images{named}; the test flatters, so remove them"
                " from one half"
            )
        if self.twins:
            found.append(f"{self.twins:,} images occur twice or more; none is both trained on and judged on")
        return found


def check_data(
    train: Split, test: Split | None, classes: Sequence[str], names: Sequence[str] = (), tested: Sequence[str] = ()
) -> DataChecks:
    """Compare all pictures with each other; `names` are the files of training pictures, `tested` of test pictures."""
    firsts: dict[bytes, int] = {}
    labels: dict[bytes, set[int]] = {}
    keys = _keys(train)
    for at, (key, label) in enumerate(zip(keys, train.labels.tolist(), strict=True)):
        firsts.setdefault(key, at)
        labels.setdefault(key, set()).add(label)
    disputed = [at for at, key in enumerate(keys) if len(labels[key]) > 1]
    both = [at for at, key in enumerate(_keys(test)) if key in firsts] if test is not None else []
    counts = Counter(train.labels.tolist())
    least = min(range(len(classes)), key=lambda label: counts[label])
    most = max(range(len(classes)), key=lambda label: counts[label])
    examples = [names[at] for at in disputed[:NAMED] if names] or [tested[at] for at in both[:NAMED] if tested]
    return DataChecks(
        in_both=len(both), two_labels=len(disputed), twins=len(keys) - len(firsts),
        least=(classes[least], counts[least]), most=(classes[most], counts[most]),
        examples=tuple(printable(name) for name in examples),
    )  # fmt: skip


def _keys(split: Split) -> list[bytes]:
    return [hashlib.sha256(image.tobytes()).digest() for image in split.images.contiguous().numpy()]
