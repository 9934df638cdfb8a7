"""The README's table: one row per record, with what engineers ask first. The records' pages have everything else."""

from collections.abc import Sequence

from featherweight.experiments.record import Record, summarise
from featherweight.experiments.rules import TITLES
from docs.build.candidate_record import NOT_PROVED, Contender
from docs.build.network_stats import deployed_of
from docs.build.table_notes import ABSENT

HEADINGS = (
    "record", "test accuracy %, mean of the seeds", "worst seed %", "parameters", "flash, kB", "RAM, kB",
    "training, s", "bar",
)  # fmt: skip
LEGEND = (
    "Accuracy at the last epoch, on MNIST unless another set is named, over the fresh seeds that confirm a record, or,"
    " if it is not yet confirmed, over those that cleared its bar; flash and RAM as planned for the 8-bit C program,"
    " code and stack included; seconds on {processor}, one thread per run unless marked *. [More about each"
    " record](docs/records/README.md) and how it was established."
)


def readme_table(gathered: Sequence[Contender], link: str) -> str:
    """One row per record and an explanation of the columns, as Markdown; `link` contains `{id}` for the record's id.

    Rows of other sets than MNIST name their set.
    """
    lines = [f"| {' | '.join(HEADINGS)} |", "|---|" + "--:|" * (len(HEADINGS) - 1)]
    lines += [f"| {' | '.join(_row(one, link))} |" for one in gathered]
    processors = {str(run.environment.get("processor", "unknown")) for one in gathered for run in one.records}
    return "\n".join([*lines, "", LEGEND.format(processor=" and ".join(sorted(processors)) or "no machine yet")])


def _row(one: Contender, link: str) -> list[str]:
    memory = deployed_of(one.experiment)
    data = one.experiment.data
    named = "" if data == "mnist" else TITLES[data]
    link = f"[`{one.experiment.id}`]({link.format(id=one.experiment.id)})"
    name = ", ".join(filter(None, (link, named, one.preprocessing)))
    sizes = [f"{one.anatomy.parameters:,}", f"{memory.flash / 1000:.1f}", f"{memory.ram / 1000:.1f}"]
    if not one.records:
        return [name, NOT_PROVED, ABSENT, *sizes, ABSENT, ABSENT]
    it = summarise(one.records)
    return [name, f"{it.mean:.3f}", f"{it.worst:.2f}", *sizes, _seconds(one.records), one.standing]


def _seconds(records: Sequence[Record]) -> str:
    """The median over seeds, with a star if a run used more than one thread."""
    taken = sorted(record.train_seconds for record in records)
    threads = max(int(record.environment["threads"]) for record in records)
    return f"{taken[len(taken) // 2]:.0f}{'*' * (threads > 1)}"
