"""Result and Analysis in the docstring of a rung's file, written from its records."""

import textwrap
from collections.abc import Sequence

from featherweight.errors import UsageError
from featherweight.experiments.claims import Found, findings
from featherweight.experiments.experiment import Experiment
from featherweight.experiments.record import Record
from featherweight.experiments.verdicts import summarise
from featherweight.protocol.records import confirmation


def result_sentences(rung: Experiment, records: Sequence[Record]) -> str:
    """The text under Result in a rung's docstring.

    It is about the last epoch over all seeds; the best epoch is given only for comparison.
    """
    summary = summarise(records)
    held, last = records[0].budget["held"], f"{summary.mean:.2f} % of the test set at the last epoch"
    clean = [record.clean_train_accuracy for record in records if record.clean_train_accuracy is not None]
    best = sum(record.verdict.best for record in records) / len(records)
    claimed = f", where {rung.claimed:.2f} is claimed" if rung.claimed is not None else ""
    if summary.runs == 1:  # of which there is no average and no deviation
        over, average = ", of 1 seed.", ""
    else:
        spread = f"standard deviation {summary.standard_deviation:.2f}, worst {summary.worst:.2f}"
        over, average = f", on average over {summary.runs} seeds ({spread}).", " on average"
    return (
        f"{last}{over} Worst of any last {held} epochs"
        f" {summary.worst_of_last:.2f}; {summary.passed} of {summary.runs} within budget. Training images as they are:"
        f" {sum(clean) / len(clean):.2f} %. Best epoch, for reference: {best:.2f}{average}{claimed}."
    )


def result_text(rung: Experiment, found: Found) -> str:
    """That text, with whether fresh seeds have confirmed a record."""
    return f"{result_sentences(rung, found[rung.id])} {confirmation(rung, found)}".rstrip()


def analysis_sentences(rung: Experiment, found: Found) -> str:
    """The text under Analysis in a rung's docstring: its claims, each with the answer of the records."""
    told = findings(rung, found)
    if not found.get(rung.id):
        return " ".join(claim.says for claim, _, _ in told)
    return " ".join(f"{claim.says.removesuffix('.')} ({outcome})." for claim, outcome, _ in told)


def with_part(source: str, label: str, sentences: str) -> str:
    """The rung's file with this paragraph of its docstring replaced; a new one goes last, a Result before an Analysis.

    >>> print(with_part('\"\"\"Title.\\n\\nTarget: t\\nWhy: w\\n\\nAnalysis: a\\n\"\"\"\\n', "Result", "99 %."))
    \"\"\"Title.
    <BLANKLINE>
    Target: t
    Why: w
    <BLANKLINE>
    Result: 99 %.
    <BLANKLINE>
    Analysis: a
    \"\"\"
    <BLANKLINE>
    """
    docstring, end, rest = source.partition('\n"""\n')
    if not end:
        raise UsageError("A rung's file begins with a docstring of several lines, in which its results are written.")
    kept = [part for part in docstring.split("\n\n") if not part.startswith(f"{label}: ")]
    later = [part for part in kept if part.startswith("Analysis: ")]
    at = kept.index(later[0]) if later else len(kept)
    kept.insert(at, textwrap.fill(f"{label}: {sentences}", 120, break_long_words=False, break_on_hyphens=False))
    return "\n\n".join(kept) + end + rest
