"""From committed records to every place that quotes one: rung docstrings, the index that `list` reads, the README.

Nothing that a record knows is ever typed. `write` brings all places up to date in a source tree, and a test compares.
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from featherweight.anatomy import dissect
from featherweight.errors import UsageError
from featherweight.experiment import Experiment, find, ids
from featherweight.record import Record, read_record, summarise, write_record, write_text

_RESULT = re.compile(r"^Result:.*?\n\n", re.MULTILINE | re.DOTALL)
_TABLE = "<!-- {edge}: table of results, written by `featherweight ladder --write` -->"


def source_tree() -> Path:
    """The checkout in the current folder; UsageError when there is none to write into."""
    here = Path.cwd()
    if not (here / "src" / "featherweight" / "ladders").is_dir():
        raise UsageError(f"{here} is no source tree of featherweight; --write works in the root of a checkout.")
    return here


def records_of(id: str, root: Path) -> list[Record]:
    """The committed records of an experiment, seed by seed."""
    files = sorted((root / "results" / id).glob("seed*.json"), key=lambda path: int(path.stem.removeprefix("seed")))
    return [read_record(file) for file in files]


def keep_record(record: Record, root: Path) -> None:
    """Put a finished run's record among the committed ones, in place of an older one of that seed."""
    folder = root / "results" / record.experiment
    folder.mkdir(parents=True, exist_ok=True)
    write_record(record, folder / f"seed{record.seed}.json")


def result_sentences(records: Iterable[Record]) -> str:
    """What a rung's docstring says under Result.

    All of it about the last epoch over all seeds; the best epoch stands beside it for comparison alone.
    """
    records = list(records)
    summary = summarise(records)
    held, runs = records[0].budget["held"], f"{summary.runs} seeds" if summary.runs > 1 else "1 seed"
    clean = [record.clean_train_accuracy for record in records if record.clean_train_accuracy is not None]
    best = sum(record.verdict.best for record in records) / len(records)
    return (
        f"{summary.mean:.2f} % of the test set at the last epoch, on average over {runs} (standard deviation"
        f" {summary.standard_deviation:.2f}, worst {summary.worst:.2f}). Worst of any last {held} epochs"
        f" {summary.worst_of_last:.2f}; {summary.passed} of {summary.runs} within budget. Training images as they are:"
        f" {sum(clean) / len(clean):.2f} %. Best epoch, which decides nothing: {best:.2f} on average."
    )


def with_result(source: str, sentences: str) -> str:
    """The rung's file with its Result paragraph replaced, or put in after the first blank line that follows Why.

    >>> print(with_result('\"\"\"Title.\\n\\nTarget: t\\nWhy: w\\n\\nAnalysis: a\\n\"\"\"\\n', "99 %."))
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
    block = _wrapped(f"Result: {sentences}") + "\n\n"
    if _RESULT.search(source):
        return _RESULT.sub(lambda _: block, source, count=1)
    before, found, after = source.partition("\n\nAnalysis:")
    if not found:
        raise UsageError("A rung's docstring needs an Analysis paragraph, before which its Result is written.")
    return f"{before}\n\n{block}Analysis:{after}"


def _wrapped(text: str, width: int = 118) -> str:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + 1 + len(word) > width:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)


def index_entry(experiment: Experiment, records: list[Record]) -> dict[str, Any]:
    """One line of `featherweight list`."""
    summary = summarise(records) if records else None
    return {
        "id": experiment.id,
        "title": experiment.title,
        "parameters": dissect(experiment.build()).parameters,
        "epochs": experiment.recipe.epochs,
        "claimed": experiment.claimed,
        "measured": round(summary.mean, 4) if summary else None,
        "passed": summary.passed == summary.runs if summary else None,
        "seeds": summary.runs if summary else 0,
    }


def results_table(root: Path) -> str:
    """The README's table: our ladder's rungs, each over its seeds."""
    lines = [
        "| experiment | parameters | epochs | seeds | last epoch, mean ± sd | worst of any last 5 | within budget |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for id in [id for id in ids() if id.startswith("f")]:
        records = records_of(id, root)
        if records:
            s, experiment = summarise(records), find(id)
            lines.append(
                f"| `{id}` {experiment.title} | {records[0].parameters:,} | {len(records[0].rows)} | {s.runs}"
                f" | {s.mean:.2f} ± {s.standard_deviation:.2f} % | {s.worst_of_last:.2f} % | {s.passed} of {s.runs} |"
            )
    return "\n".join(lines)


def with_table(readme: str, table: str) -> str:
    """The README with the table between its two marks replaced."""
    begin, end = _TABLE.format(edge="begin"), _TABLE.format(edge="end")
    if begin not in readme or end not in readme:
        raise UsageError(f"README.md lacks the marks around its table of results: {begin} and {end}")
    before, after = readme.split(begin)[0], readme.split(end)[1]
    return f"{before}{begin}\n{table}\n{end}{after}"


def generated(root: Path) -> dict[Path, str]:
    """Every file that quotes a record, as it should read."""
    ladders = root / "src" / "featherweight" / "ladders"
    texts: dict[Path, str] = {}
    entries = []
    for id in ids():
        experiment, records = find(id), records_of(id, root)
        entries.append(index_entry(experiment, records))
        if records:
            path = ladders / id.rstrip("0123456789") / f"{id}.py"
            texts[path] = with_result(path.read_text(encoding="utf-8"), result_sentences(records))
    texts[ladders / "index.json"] = json.dumps(entries, indent=1) + "\n"
    readme = root / "README.md"
    texts[readme] = with_table(readme.read_text(encoding="utf-8"), results_table(root))
    return texts


def write(root: Path) -> list[Path]:
    """Bring every quoting file up to date; the ones that changed."""
    changed = []
    for path, text in generated(root).items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            write_text(path, text)
            changed.append(path)
    return changed
