"""The parts of an experiment's text, and what its records say about its claims."""

import re
from collections.abc import Mapping, Sequence

from featherweight.experiments.claims import Claim, Evidence, check_claim
from featherweight.experiments.experiment import Experiment
from featherweight.experiments.record import Record

Found = Mapping[str, Sequence[Record]]
"""Records of finished runs, one per seed, by the id of their experiment."""
NOT_RUN = "not run yet"


def parts(text: str) -> dict[str, str]:
    """The paragraphs of a rung's docstring by label, each as a single line.

    >>> parts("Title.\\n\\nTarget: this\\nand that.\\nWhy: so.")
    {'Target': 'this and that.', 'Why': 'so.'}
    """
    pattern = r"^(Target|Why|Open|Result|Analysis): (.*?)(?=^(?:Target|Why|Open|Result|Analysis): |\Z)"
    found = re.findall(pattern, text, re.MULTILINE | re.DOTALL)
    return {label: " ".join(words.split()) for label, words in found}


def findings(rung: Experiment, found: Found) -> list[tuple[Claim, str, str]]:
    """Each claim of a rung's analysis, with its outcome on the records and the figures that decided it."""
    records, parent = found.get(rung.id, ()), found.get(rung.parent or "", ())
    rows = []
    for claim in rung.claims:
        if claim.by is None:
            rows.append((claim, "opinion", ""))
        elif not records:
            rows.append((claim, NOT_RUN, ""))
        else:
            finding = check_claim(claim, Evidence(records=tuple(records), parent=tuple(parent)))
            rows.append((claim, finding.outcome, finding.figures))
    return rows
