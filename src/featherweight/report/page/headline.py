"""The first line of a page: five figures of an experiment, each with what it is measured against."""

from statistics import fmean

from featherweight.experiments.budget import Budget
from featherweight.experiments.preprocessing import preprocessing_words
from featherweight.experiments.record import Record, summarise
from featherweight.experiments.statistics import mean_interval
from featherweight.report.page.blocks import Headline, Tile
from featherweight.report.page.cards import kilobytes
from featherweight.report.page.load_runs import Group


def headline(group: Group) -> Headline:
    """Accuracy, verdict, parameters, flash and RAM, and seconds of training of an experiment's runs."""
    records = [record for record in group.records if record.rows]
    done = [record for record in records if record.finished]
    of_network = _parameters(group.records[0]), _memory_figures(group)
    return Headline(tiles=(_accuracy(records), _verdict_figure(group, done), *of_network, _training_time(done)))


def _accuracy(records: list[Record]) -> Tile:
    """Of the last epoch, which is the result; of several runs the mean."""
    label = "Accuracy"
    if not records:
        return Tile(label=label, value="–", detail="no epoch is finished yet")
    holdout = records[0].data["holdout"]
    images = f"{records[0].data['test']:,} {'held-out' if holdout else 'test'} images"
    last = [record.rows[-1].test_accuracy for record in records]
    if len(records) == 1:
        interval = records[0].verdict.interval
        sure = "95 % interval {:.2f} to {:.2f}, ".format(*interval) if interval else ""
        early = "" if records[0].finished else f"after epoch {len(records[0].rows)}; "
        return Tile(label=label, value=f"{last[0]:.2f} %", detail=f"{early}{sure}{images}")
    low, high = mean_interval(last)
    sure = f"95 % interval {low:.2f} to {min(high, 100):.2f}"
    detail = f"mean of {len(last)} runs, {sure}, worst {min(last):.2f}; {images}"
    return Tile(label=label, value=f"{fmean(last):.2f} %", detail=detail)


def _verdict_figure(group: Group, done: list[Record]) -> Tile:
    """Passed, failed, undecided or unfinished, and by which figure."""
    target = Budget(**group.records[0].budget)
    span = "the last epoch" if target.held == 1 else f"each of the last {target.held} epochs"
    asked = f"asked: {target.accuracy:.2f} % in {span}"
    if len(done) < len(group.records):
        epochs = sum(len(record.rows) for record in group.records)
        planned = sum(int(record.recipe["epochs"]) for record in group.records)
        return Tile(label="Verdict", value="Unfinished", detail=f"{epochs} of {planned} epochs are done; {asked}")
    worst = f"worst judged epoch {summarise(done).worst_of_last:.2f} %"
    passed = sum(record.verdict.passed for record in done)
    if len(done) > 1:
        state = "passed" if passed == len(done) else "failed"
        return Tile(label="Verdict", value=f"{passed} of {len(done)} passed", detail=f"{worst}; {asked}", state=state)
    verdict = done[0].verdict
    if not verdict.decided:
        needed = f"; it takes {verdict.images_needed:,} test images" if verdict.images_needed else ""
        return Tile(label="Verdict", value="Undecided", detail=f"{worst}; {asked}{needed}")
    state = "passed" if verdict.passed else "failed"
    return Tile(label="Verdict", value=state.capitalize(), detail=f"{worst}; {asked}", state=state)


def _parameters(record: Record) -> Tile:
    limit = Budget(**record.budget).parameters
    detail = "; ".join([f"budget: fewer than {limit:,}", *preprocessing_words(record.architecture)])
    return Tile(label="Parameters", value=f"{record.parameters:,}", detail=detail)


def _memory_figures(group: Group) -> Tile:
    """Flash and RAM of the 8-bit C program."""
    label = "Flash and RAM"
    if group.chip is None:
        return Tile(label=label, value="–", detail="the network is not available")
    if isinstance(group.chip, str):
        return Tile(label=label, value="–", detail="this network has no C program; see below")
    smallest, _ = group.chip
    value = f"{kilobytes(smallest.flash)} + {kilobytes(smallest.ram)}"
    return Tile(label=label, value=value, detail="estimated, as 8-bit C on a Cortex-M0+")


def _training_time(done: list[Record]) -> Tile:
    """Of training, on the machine that the record names; of several runs the mean."""
    label = "Training"
    if not done:
        return Tile(label=label, value="–", detail="not finished")
    threads = sorted({int(record.environment["threads"]) for record in done})
    where = f"{' or '.join(map(str, threads))} thread{'s' * (threads != [1])}"
    machines = sorted({str(record.environment.get("processor") or "") for record in done} - {""})
    epochs = int(done[0].recipe["epochs"])
    first = ["mean of the runs"] if len(done) > 1 else []
    detail = ", ".join([*first, f"{epochs} epoch{'s' * (epochs > 1)}", where, *machines])
    return Tile(label=label, value=spent(fmean(record.train_seconds for record in done)), detail=detail)


def spent(seconds: float) -> str:
    """A time for people.

    >>> spent(0.42), spent(73.2), spent(7300)
    ('0.4 s', '73 s', '122 min')
    """
    if seconds < 10:
        return f"{seconds:.1f} s" if seconds >= 0.1 else "< 0.1 s"
    return f"{seconds:,.0f} s" if seconds < 600 else f"{seconds / 60:,.0f} min"
