"""From committed records to every place that quotes one: docstrings, the index that `list` reads, README and pages.

No figure from a record is ever typed by hand. `write` updates all places in a source tree, and a test compares them.
"""

import gzip
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from docs.build import ladders, records, why
from docs.build.api_page import api_page
from docs.build.candidate_record import gather
from docs.build.committed import fresh_of, measured, quoted_of, trials_of
from docs.build.docstrings import analysis_sentences, result_text, with_part
from docs.build.export_tables import with_boards, with_figures
from docs.build.fits_table import guide_tables
from docs.build.front_pictures import front_of, fronts_drawing
from docs.build.network_stats import anatomy_of, preprocessing_words
from docs.build.pictures import ladder_drawing, rung_drawing
from docs.build.rendering import with_part_between
from docs.build.tables import as_csv, tables_of, trials_table

from featherweight.experiments.claims import Found
from featherweight.experiments.experiment import RULES, Experiment, contenders, find, ids, letters, place_of, rungs
from featherweight.experiments.record import Record
from featherweight.experiments.verdicts import summarise
from featherweight.export import steps_of
from featherweight.io import write_bytes, write_text
from featherweight.protocol.ledger import read_ledger
from featherweight.protocol.records import SMALL, SOURCES, confirmed, quoted, records_of
from featherweight.training.runs.folders import find_runs
from featherweight.training.runs.trained import load_trained

_BY = "table of results, written by `python -m docs.build`"
_TABLE = (f"<!-- begin: {_BY} -->", f"<!-- end: {_BY} -->")


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
            texts[path] = with_part(texts[path], "Result", result_text(rung, found))
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
    gathered = {data: gather(found, root, data) for data in RULES if contenders(data)}
    for data, on_it in gathered.items():
        others, page = [name for name in gathered if name != data], "README" if data == "mnist" else data
        texts[root / "docs" / "records" / f"{page}.md"] = records.overview(on_it, front_of(data), data, others)
        texts[root / "results" / f"{data}.csv"] = as_csv(records.all_columns(on_it))
    candidates = {one.experiment.id: one for on_it in gathered.values() for one in on_it}
    readme = root / "README.md"
    table = records.readme_table(list(candidates.values()), "docs/records/{id}.md", root)
    texts[readme] = with_part_between(readme.read_text(encoding="utf-8"), _TABLE, table, readme.name)
    ledger = read_ledger(root / "results" / "test_evaluations.jsonl")
    held_out = {id: one.held_out for id, one in candidates.items()}
    tables = {id: tables_of(find(id), found, ledger, held_out.get(id, ())) for id in ids()}
    for id, named in tables.items():
        texts |= {root / "results" / id / f"{name}.csv": as_csv(one) for name, one in named.items()}
    for file in sorted((root / "results" / "trials").glob("*.json")):
        texts[file.with_suffix(".csv")] = as_csv(trials_table(json.loads(file.read_text(encoding="utf-8"))))
    for id, one in candidates.items():
        texts[root / "docs" / "records" / f"{id}.md"] = records.page(one, found, tables[id])
    for letter in letters():
        texts[root / "docs" / "ladders" / f"{letter}.md"] = ladders.ladder_page(letter, found, f"{letter}.svg", tables)
    exports = root / "docs" / "export.md"
    texts[exports] = with_figures(exports.read_text(encoding="utf-8"), root)
    boards = root / "docs" / "boards.md"
    texts[boards] = with_boards(boards.read_text(encoding="utf-8"), root)
    texts[root / "docs" / "ladders" / "statements.md"] = ladders.statement_page(found)
    texts[root / "docs" / "ladders" / "README.md"] = ladders.overview(letters(), found)
    texts[root / "docs" / "why.md"] = why.page(found, root, "why.svg")
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


def run_pictures(root: Path) -> dict[Path, list[Record]]:
    """The path of the curves of every rung and record that has run, with its runs."""
    found = {id: quoted_of(id, root) for id in ids()}
    return {
        root / "docs" / ("ladders" if id in records.RUNGS else "records") / f"{id}.svg": list(runs)
        for id, runs in found.items()
        if runs
    }


def bundled(root: Path) -> str:
    """The contents of the file, from the records in a checkout: experiment by experiment, seed by seed."""
    found = []
    for id in ids():
        records = [record for _, record in find_runs([root / "results" / id], "seed*.json")]
        found += [record.to_json() for record in sorted(records, key=lambda record: record.seed)]
    return json.dumps(found, separators=(",", ":")) + "\n"


def bundle_bytes(text: str) -> bytes:
    """The contents as the package has them: compressed, the same bytes whenever it is made."""
    return gzip.compress(text.encode(), compresslevel=9, mtime=0)


def outdated(root: Path) -> dict[Path, Callable[[], object]]:
    """Every output that is not what the records say, by path, with what writes it."""
    found: dict[Path, Callable[[], object]] = {}
    for path, text in generated(root).items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            found[path] = partial(write_text, path, text)
    for path, content in folded(root).items():
        if not path.exists() or path.read_bytes() != content:
            found[path] = partial(write_bytes, path, content)
    path, text = root / SOURCES / SMALL.name, bundled(root)
    if not path.exists() or gzip.decompress(path.read_bytes()).decode() != text:
        found[path] = partial(write_bytes, path, bundle_bytes(text))
    own = {id: quoted_of(id, root) for id in [rung.id for rung in rungs(why.LADDER)] + list(why.GOAL)}
    drawings = [why.drawing(root / "docs" / "why.svg", own)]
    drawings += [ladder_drawing(path, records) for path, records in pictures(root).items()]
    drawings += [rung_drawing(path, records) for path, records in run_pictures(root).items()]
    for data in [data for data in RULES if contenders(data)]:
        drawings.append(fronts_drawing(root / "docs" / "records" / front_of(data), measured(root, data), data))
    return found | {one.path: one.write for one in drawings if not one.is_current()}


def write(root: Path) -> list[Path]:
    """Update every output; returns the files that changed."""
    found = outdated(root)
    for path, make in found.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        make()
    return list(found)
