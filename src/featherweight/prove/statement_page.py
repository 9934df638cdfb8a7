"""All statements of the sources on one page, with their answers counted."""

from collections import Counter
from collections.abc import Iterator

from featherweight.experiments.experiment import find, ids, ladder_of
from featherweight.experiments.findings import Found
from featherweight.prove.statements import OPEN, Answer, answers

NOTE = "*Written by `featherweight ladder --write` from the records in `results/`; every figure follows from them.*"
ABOUT = """
Every statement of every source, in our words, checked against our records. *Borne out*, *not borne out* and *undecided*
follow from a rule given on the page of the rung; beside *not decidable here* is the reason why no run of ours can tell.
A cause is decided only by runs that differ in nothing else, if necessary those of another rung or a trial, which the
figures name.
"""


def counts(told: list[Answer]) -> str:
    """A phrase that says how many statements have each answer.

    >>> counts([])
    ''
    """
    found = Counter(one.outcome for one in told)
    order = ("borne out", "not borne out", "undecided", OPEN, "not run yet")
    return ", ".join(f"{found[outcome]} {outcome}" for outcome in order if found[outcome])


def statement_page(found: Found) -> str:
    """The page: counts, then a table of every statement, rung by rung."""
    told = {id: answers(id, found) for id in ids()}
    every = [one for of_it in told.values() for one in of_it]
    lines = ["# What the sources state", "", NOTE, "", " ".join(ABOUT.split()), ""]
    lines += [f"{len(every)} statements: {counts(every)}.", ""]
    lines += ["| rung | part | the source states | answer | figures |", "|---|---|---|---|---|"]
    lines += [row for id, of_it in told.items() for row in _rows(id, of_it)]
    silent = [f"`{id}`" for id, of_it in told.items() if not of_it and find(id).claimed is not None]
    if silent:
        lines += ["", f"For {' and '.join(silent)}, the source gives figures but states nothing."]
    return "\n".join(lines) + "\n"


def _rows(id: str, told: list[Answer]) -> Iterator[str]:
    for one in told:
        aside = f" *({one.statement.aside})*" if one.statement.aside else ""
        rung = f"[`{id}`]({ladder_of(id)}.md#{id})"
        yield f"| {rung} | {one.statement.part} | {one.statement.says}{aside} | {one.outcome} | {one.figures} |"
