"""The statements of the sources about each rung, and the answers of records, recipes and networks to them.

The statements are data of the package, in our own words. Each one either names the predicates that decide it, or says
why it cannot be decided here. A cause is decided only by runs that differ in it alone.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from docs.build.predicates import BY_CONSTRUCTION, OF_RECORDS

from featherweight.errors import UsageError
from featherweight.experiments.claims import NOT_RUN, Found, no
from featherweight.experiments.evidence import Evidence, Predicate
from featherweight.experiments.experiment import find, ids

STATEMENTS = Path(__file__).with_name("statements.json")
OPEN = "not decidable here"
FACTS = {True: "so by construction", False: "not so by construction"}
"""What is said of statements that networks and recipes decide: facts, which no training could answer otherwise."""
PARTS = ("target", "result", "analysis", "learning")


@dataclass(frozen=True, kw_only=True)
class Part:
    """One assertion of a statement, and the runs that decide it."""

    predicate: Predicate
    of: str
    """The rung or trial whose records decide it."""
    against: str
    """The rung or trial that these are compared with; empty if there is none."""
    needed: bool
    """Whether it cannot be decided without the runs that it is compared with."""
    fact: bool
    """Whether it reads a network or a recipe alone."""


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A sentence of a source, in our words."""

    part: str
    """The part of the source's write-up that it is from, one of `PARTS`."""
    says: str
    by: tuple[Part, ...]
    """Assertions that must all hold; empty if the statement cannot be decided."""
    open: str
    """Why it cannot be decided; otherwise empty."""
    aside: str
    """A contradiction with the source's own figures, or where else the evidence comes from."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A statement with its answer."""

    statement: Statement
    outcome: str
    """An outcome as for claims, one of `FACTS`, `OPEN`, or that its runs do not exist yet."""
    figures: str


@cache
def _all() -> Mapping[str, Sequence[Statement]]:
    data = json.loads(STATEMENTS.read_text(encoding="utf-8"))
    return {id: tuple(_statement(id, line) for line in lines) for id, lines in data.items()}


def statements(id: str) -> Sequence[Statement]:
    """The statements of a rung's source about it, in their order; empty if there are none or there is no source.

    >>> [one.says for one in statements("a2")][:2]
    ['Fewer than 30,000 parameters.', 'The skeleton still works at this size.']
    """
    return _all().get(id, ())


def _statement(id: str, line: dict[str, Any]) -> Statement:
    by = tuple(_part(id, dict(spec)) for spec in line.get("by", ()))
    if line["part"] not in PARTS or bool(by) == bool(line.get("open")):
        raise UsageError(f"A statement of {id} names its part, and what decides it or why nothing does; given {line}.")
    return Statement(
        part=line["part"], says=line["says"], by=by, open=line.get("open", ""), aside=line.get("aside", "")
    )


def _part(id: str, spec: dict[str, Any]) -> Part:
    of = spec.pop("of", id)
    parent, needed = find(of).parent if of in ids() else of.split("_")[0], "against" in spec
    against, turned = spec.pop("against", parent or ""), spec.pop("not", False)
    name = spec.pop("is")
    predicate = OF_RECORDS[name](**spec)
    return Part(
        predicate=no(predicate) if turned else predicate, of=of, against=against, needed=needed,
        fact=name in BY_CONSTRUCTION,
    )  # fmt: skip


def answers(id: str, found: Found) -> list[Answer]:
    """Every statement about a rung with its answer; `found` holds the records of rungs and of trials."""
    return [_answer(one, id, found) for one in statements(id)]


def _answer(statement: Statement, id: str, found: Found) -> Answer:
    if not statement.by:
        return Answer(statement=statement, outcome=OPEN, figures=statement.open)
    needed = [name for part in statement.by for name in (part.of, *[part.against] * part.needed)]
    if not all(found.get(name) for name in needed):
        return Answer(statement=statement, outcome=NOT_RUN, figures="")
    parent = find(id).parent or ""
    outcomes, figures = [], []
    for part in statement.by:
        evidence = Evidence(records=tuple(found[part.of]), parent=tuple(found.get(part.against, ())))
        finding = part.predicate(evidence)
        outcomes.append(finding.outcome)
        figures.append(_told(finding.figures, part, own=(part.of, part.against) == (id, parent)))
    worst = next((one for one in ("not borne out", "undecided") if one in outcomes), "borne out")
    fact = all(part.fact for part in statement.by)
    return Answer(
        statement=statement, outcome=FACTS[worst == "borne out"] if fact else worst, figures="; ".join(figures)
    )


def _told(figures: str, part: Part, *, own: bool) -> str:
    """The figures, with the names of their runs unless these are the rung's and its parent's."""
    if own:
        return figures
    figures = figures.replace("parent", "the other")
    against = f" against `{part.against}`" if "the other" in figures else ""
    return f"`{part.of}`{against}: {figures}"
