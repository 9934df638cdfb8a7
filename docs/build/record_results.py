"""The runs on a record's page: of fresh seeds, of those that cleared its bar, and on held-out images."""

from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Any

from featherweight.experiments.findings import NOT_RUN
from featherweight.experiments.record import Record, summarise
from featherweight.experiments.rules import worded
from featherweight.experiments.statistics import mean_interval
from featherweight.protocol.replication import NOT_CONFIRMED
from docs.build.candidate_record import NOT_PROVED, Contender

ABSENT = "–"


def markdown(headings: Sequence[str], rows: Sequence[Sequence[Any]], words: int = 1) -> Iterator[str]:
    """A table whose first `words` columns are text and whose other columns are figures."""
    yield f"| {' | '.join(headings)} |"
    yield "|" + "---|" * words + "--:|" * (len(headings) - words)
    yield from (f"| {' | '.join(map(str, row))} |" for row in rows)


def interval_text(per_seed: dict[int, float]) -> str:
    """The 95 % interval of the mean, as text; a dash for a single seed."""
    if len(per_seed) < 2:
        return ABSENT
    low, high = mean_interval(list(per_seed.values()))
    return f"{low:.3f} to {high:.3f}"


def result(one: Contender) -> Iterator[str]:
    """The runs whose figures are the record's, and whether its bar is cleared and confirmed."""
    bar = one.experiment.bar
    assert bar is not None
    if not one.records:
        yield f"{NOT_PROVED.capitalize()}. Test-set evaluations so far: {one.test_evaluations}."
        return
    yield from _runs(one.records, f" Test-set evaluations: {one.test_evaluations}.")
    yield ""
    asks = bool(bar.clauses(()))
    if one.cleared_by:
        if missed := bar.unconfirmed(one.records):
            yield f"**Not confirmed:** {'; '.join(missed)}."
        else:
            yield f"**Confirmed** on fresh seeds{': all that is asked for' * asks}."
        return
    if missed := bar.shortfalls(one.records):
        yield f"**Not cleared:** {'; '.join(missed)}."
    else:
        yield ("**Cleared:** all that is asked for. " if asks else "") + f"{NOT_CONFIRMED.capitalize()}."


def cleared(one: Contender) -> Iterator[str]:
    """The runs on which the bar was cleared, where the record's figures are those of fresh seeds."""
    bar = one.experiment.bar
    assert bar is not None
    if one.cleared_by:
        yield from _runs(one.cleared_by, " They are part of no figure above.")
        if missed := bar.shortfalls(one.cleared_by):
            yield from ("", f"**Not cleared:** {'; '.join(missed)}.")


def _runs(records: Sequence[Record], more: str) -> Iterator[str]:
    """A table of the seeds, and a paragraph with their figures, which ends in `more`."""
    it = summarise(records)
    yield from _seeds(records)
    yield ""
    yield (
        f"Mean {it.mean:.3f} %, standard deviation {it.standard_deviation:.3f}, 95 % interval of the mean"
        f" {interval_text(it.per_seed)}; {it.passed} of {it.runs} seeds within budget.{more}"
    )
    in_c = [record.c_accuracy for record in records if record.c_accuracy is not None]
    if in_c:
        yield from ("", f"As programs in 8-bit C: mean {fmean(in_c):.3f} %, worst {min(in_c):.2f} %.")


def _seeds(records: Sequence[Record]) -> Iterator[str]:
    rows = []
    for record in records:
        verdict = record.verdict
        figures = [f"{value:.2f}" for value in (verdict.last, verdict.worst_of_last, record.rows[-1].train_accuracy)]
        said = ("passed: " if verdict.passed else "failed: ") + verdict.reason
        rows.append([record.seed, *figures, f"{record.train_seconds:.1f}", record.engine, said])
    return markdown(("seed", "last %", "worst judged %", "train %", "seconds", "engine", "verdict"), rows, words=0)


def held_out(one: Contender) -> Iterator[str]:
    """The runs on held-out images."""
    if not one.held_out:
        yield f"{NOT_RUN.capitalize()}."
        return
    rows = [
        (run.seed, f"{run.data['holdout']:,}", f"{run.verdict.last:.2f}", f"{run.verdict.worst_of_last:.2f}")
        for run in one.held_out
    ]
    what = worded("digits held out", one.experiment.data)
    yield from markdown(("seed", what, "last %", "worst judged %"), rows, words=0)
    yield from ("", f"Mean of the last epochs {summarise(one.held_out).mean:.3f} %; the test set is not read.")
