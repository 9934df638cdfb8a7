"""From committed records to every place that quotes one: docstrings, the index that `list` reads, README and pages.

No figure from a record is ever typed by hand. `write` updates all places in a source tree, and a test compares them.
"""

import gzip
import json
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from docs.build import ladders, records
from docs.build.api_page import api_page
from docs.build.candidate_record import gather
from docs.build.committed import answers_of, fresh_of, measured, quoted_of, trials_of
from docs.build.export_tables import with_figures
from docs.build.fits_table import guide_tables
from docs.build.front_pictures import draw_fronts, front_of
from docs.build.inject import with_part_between
from docs.build.network_stats import anatomy_of, preprocessing_words
from docs.build.pictures import draw, draw_rung

from featherweight.errors import UsageError
from featherweight.experiments.experiment import Experiment, contenders, find, ids, letters, place_of, rungs
from featherweight.experiments.findings import Found, findings
from featherweight.experiments.record import Record, summarise
from featherweight.experiments.rules import RULES
from featherweight.export import steps_of
from featherweight.io import write_bytes, write_text
from featherweight.protocol.bundled_records import SMALL, SOURCES
from featherweight.protocol.committed import records_of
from featherweight.protocol.ledger import read_ledger
from featherweight.protocol.replication import confirmation, confirmed, quoted
from featherweight.training.runs.folders import find_runs
from featherweight.training.runs.trained import load_trained

_BY = "table of results, written by `featherweight ladder --write`"
_TABLE = (f"<!-- begin: {_BY} -->", f"<!-- end: {_BY} -->")


def result_sentences(rung: Experiment, records: Sequence[Record]) -> str:
    """The text under Result in a rung's docstring.

    It is about the last epoch over all seeds; the best epoch is given only for comparison.
    """
    summary = summarise(records)
    held, runs = records[0].budget["held"], f"{summary.runs} seeds" if summary.runs > 1 else "1 seed"
    clean = [record.clean_train_accuracy for record in records if record.clean_train_accuracy is not None]
    best = sum(record.verdict.best for record in records) / len(records)
    claimed = f", where {rung.claimed:.2f} is claimed" if rung.claimed is not None else ""
    return (
        f"{summary.mean:.2f} % of the test set at the last epoch, on average over {runs} (standard deviation"
        f" {summary.standard_deviation:.2f}, worst {summary.worst:.2f}). Worst of any last {held} epochs"
        f" {summary.worst_of_last:.2f}; {summary.passed} of {summary.runs} within budget. Training images as they are:"
        f" {sum(clean) / len(clean):.2f} %. Best epoch, which decides nothing: {best:.2f} on average{claimed}."
    )


def _result(rung: Experiment, found: Found) -> str:
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


def index_entry(experiment: Experiment, found: Found) -> dict[str, Any]:
    """The values of one line of `featherweight list`; of a record, whether fresh seeds have confirmed it, or null."""
    records = found.get(experiment.id, ())
    summary = summarise(records) if records else None
    standing = ladders.rung_figures(records, experiment.judged_by) if records else None
    words = list(preprocessing_words(experiment))
    return {
        "id": experiment.id,
        "title": experiment.title,
        "parameters": anatomy_of(experiment).parameters,
        "epochs": experiment.recipe.epochs,
        "claimed": experiment.claimed,
        "measured": round(summary.mean, 4) if summary else None,
        "passed": summary.passed == summary.runs if summary else None,
        "rule": standing.ruled == standing.runs if standing else None,
        "seeds": summary.runs if summary else 0,
        **({"confirmed": confirmed(experiment, found)} if experiment.bar and records else {}),
        **({"preprocessing": words} if words else {}),
        **({"judged_by": experiment.rule.sentence()} if experiment.rule else {}),
        **({"data": experiment.data} if experiment.data != "mnist" else {}),
    }


def generated(root: Path) -> dict[Path, str]:
    """Every text that quotes a record, up to date, by path."""
    sources = root / SOURCES
    own = {id: records_of(id, root) for id in ids()}
    found: Found = {**trials_of(root), **quoted(own, fresh_of(root, own))}
    texts: dict[Path, str] = {}
    for rung in map(find, ids()):
        path = sources.parent / place_of(rung.id)
        texts[path] = path.read_text(encoding="utf-8")
        if found[rung.id]:
            texts[path] = with_part(texts[path], "Result", _result(rung, found))
        if rung.claims:
            texts[path] = with_part(texts[path], "Analysis", analysis_sentences(rung, found))
    entries = [index_entry(rung, found) for rung in map(find, ids())]
    texts[sources / "index.json"] = json.dumps(entries, indent=1) + "\n"
    texts[root / "docs" / "api.md"] = api_page(sys.modules["featherweight"])
    guide = root / "docs" / "fit.md"
    if guide.exists():
        texts[guide] = guide.read_text(encoding="utf-8")
        for marks, table in guide_tables(root):
            texts[guide] = with_part_between(texts[guide], marks, table, guide.name)
    readme = root / "README.md"
    gathered = gather(found, root)
    ledger = read_ledger(root / "results" / "touches.json")
    sets = [data for data in RULES if contenders(data)]
    for data in sets:
        on_it = gathered if data == "mnist" else gather(found, root, data)
        others, page = [name for name in sets if name != data], "README" if data == "mnist" else data
        overview = records.overview(on_it, front_of(data), data, others)
        texts[root / "docs" / "records" / f"{page}.md"] = overview
        gathered = gathered if data == "mnist" else [*gathered, *on_it]
    table = records.readme_table([one for one in gathered if one.records], "docs/records/{id}.md")
    texts[readme] = with_part_between(readme.read_text(encoding="utf-8"), _TABLE, table, readme.name)
    for one in gathered:
        page = records.page(one, found, ledger)
        texts[root / "docs" / "records" / f"{one.experiment.id}.md"] = page
    for letter in letters():
        texts[root / "docs" / "ladders" / f"{letter}.md"] = ladders.ladder_page(
            letter, found, f"{letter}.svg", ledger, answers_of(root)
        )
    exports = root / "docs" / "export.md"
    texts[exports] = with_figures(exports.read_text(encoding="utf-8"), root)
    texts[root / "docs" / "ladders" / "statements.md"] = ladders.statement_page(found)
    texts[root / "docs" / "ladders" / "README.md"] = ladders.overview(letters(), found)
    return texts


def folded(root: Path) -> dict[Path, bytes]:
    """The steps of every network that comes with the package, which `predict` reads, by path."""
    runs = sorted(
        (root / "src" / "featherweight" / "experiments" / "records" / "weights").glob("*/weights.safetensors")
    )
    return {run.with_name("steps.safetensors"): steps_of(load_trained(run.parent)) for run in runs}


def pictures(root: Path) -> dict[Path, list[Record]]:
    """The path of every picture drawn from records, with these records; ladders without records have none."""
    records = {letter: [run for rung in rungs(letter) for run in quoted_of(rung.id, root)] for letter in letters()}
    ladders = {root / "docs" / "ladders" / f"{letter}.svg": runs for letter, runs in records.items() if runs}
    flagship = list(quoted_of("f3", root))
    return ladders | ({root / "docs" / "f3.svg": flagship} if flagship else {})


def rung_pictures(root: Path) -> dict[Path, list[Record]]:
    """The path of the curves of every rung that has records, with these records."""
    found = {rung.id: quoted_of(rung.id, root) for letter in letters() for rung in rungs(letter)}
    return {root / "docs" / "ladders" / f"{id}.svg": list(runs) for id, runs in found.items() if runs}


def bundled(root: Path) -> str:
    """The contents of the file, from the records in a checkout: experiment by experiment, seed by seed."""
    found = []
    for id in ids():
        records = [record for _, record in find_runs([root / "results" / id], "seed*.json")]
        found += [record.to_json() for record in sorted(records, key=lambda record: record.seed)]
    return json.dumps(found, separators=(",", ":")) + "\n"


def write_bundled(root: Path) -> bool:
    """Write the file in a checkout unless it is up to date; returns whether it was written."""
    path = root / SOURCES / SMALL.name
    text = bundled(root)
    if path.exists() and gzip.decompress(path.read_bytes()).decode() == text:
        return False
    write_bytes(path, gzip.compress(text.encode(), compresslevel=9, mtime=0))
    return True


def write(root: Path) -> list[Path]:
    """Update every file that quotes a record; returns the files that changed."""
    for folder in ("ladders", "records"):
        (root / "docs" / folder).mkdir(parents=True, exist_ok=True)
    changed = []
    for path, text in generated(root).items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            write_text(path, text)
            changed.append(path)
    for path, content in folded(root).items():
        if not path.exists() or path.read_bytes() != content:
            write_bytes(path, content)
            changed.append(path)
    if write_bundled(root):
        changed.append(root / SOURCES / SMALL.name)
    changed += [path for path, records in pictures(root).items() if draw(path, records)]
    changed += [path for path, records in rung_pictures(root).items() if draw_rung(path, records)]
    for data in [data for data in RULES if contenders(data)]:
        picture, found = root / "docs" / "records" / front_of(data), measured(root, data)
        changed += [picture] if draw_fronts(picture, found, data) else []
    return changed
