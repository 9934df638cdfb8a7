"""What an experiment's text says, and what records find of it."""

import re
from collections.abc import Mapping, Sequence

from featherweight.experiments.claims import Claim, Evidence, check
from featherweight.experiments.experiment import Experiment
from featherweight.experiments.record import Record

Found = Mapping[str, Sequence[Record]]
"""Records of finished runs by the id of their experiment, one a seed."""
NOT_RUN = "not run yet"


def parts(text: str) -> dict[str, str]:
    """The paragraphs of a rung's docstring by their labels, each as one line.

    >>> parts("Title.\\n\\nTarget: this\\nand that.\\nWhy: so.")
    {'Target': 'this and that.', 'Why': 'so.'}
    """
    pattern = r"^(Target|Why|Open|Result|Analysis): (.*?)(?=^(?:Target|Why|Open|Result|Analysis): |\Z)"
    found = re.findall(pattern, text, re.MULTILINE | re.DOTALL)
    return {label: " ".join(words.split()) for label, words in found}


def findings(rung: Experiment, found: Found) -> list[tuple[Claim, str, str]]:
    """Each sentence of a rung's analysis with what the records say of it and the figures that say so."""
    records, parent = found.get(rung.id, ()), found.get(rung.parent or "", ())
    told = []
    for claim in rung.claims:
        if claim.by is None:
            told.append((claim, "opinion", ""))
        elif not records:
            told.append((claim, NOT_RUN, ""))
        else:
            finding = check(claim, Evidence(records=tuple(records), parent=tuple(parent)))
            told.append((claim, finding.outcome, finding.figures))
    return told
