"""The page of results of one rung: every class, every mistake, beside what its source prints."""

import json
from pathlib import Path

from docs.build import publish, rung_answers
from docs.build.rung_sections import published

ROOT = Path(__file__).parents[2]


def test_the_committed_answers_are_those_of_the_committed_record() -> None:
    about = json.loads((ROOT / "results" / "answers" / "d1.json").read_text())
    record = next(one for one in publish.records_of("d1", ROOT) if one.seed == about["seed"])
    images, right = (sum(one[name] for one in about["classes"]) for name in ("images", "right"))
    assert images == 10_000 and f"{right / 100:.2f}" == f"{record.verdict.last:.2f}"
    # Every mistake is in the list once, with its own label.
    assert len({one["index"] for one in about["mistakes"]}) == len(about["mistakes"]) == 10_000 - right
    for one in about["classes"]:
        wrong = sum(mistake["label"] == one["name"] for mistake in about["mistakes"])
        assert one["images"] - one["right"] == wrong
    assert all(one["label"] != one["answer"] and 0 < one["confidence"] <= 1 for one in about["mistakes"])


def test_recall_of_each_class_stands_beside_the_source_s() -> None:
    about = {"seed": 0, "classes": [{"name": "0", "images": 980, "right": 978}, {"name": "1", "images": 8, "right": 6}],
             "mistakes": [{"index": n, "label": label, "answer": answer, "confidence": 0.9}
                          for n, (label, answer) in enumerate([*[("0", "1")] * 2, *[("1", "0")] * 2])]}  # fmt: skip
    lines = list(rung_answers.answers("d1", {"d1": about}))
    assert lines[0] == "**Answers of seed 0**: 984 of 988 test digits right, 4 wrong."
    assert lines[4] == "| 0 | 980 | 978 | 99.80 | 100 | 2 |"  # 978 / 980
    assert lines[5] == "| 1 | 8 | 6 | 75.00 | 99 | 2 |"
    assert published("d1")["recall"] == [100, 99, 99, 100, 98, 99, 98, 100, 100, 98]
    assert list(rung_answers.answers("c3", {"d1": about})) == []


def test_the_page_shows_them_and_its_pictures_and_reports_are_there() -> None:
    page = (ROOT / "docs" / "ladders" / "d.md").read_text()
    for name in ("d1_samples.png", "d1_mistakes.png", "d1_classes.png", "d1.svg"):
        assert f"({name})" in page
        assert 5_000 < (ROOT / "docs" / "ladders" / name).stat().st_size < 300_000
    for id in rung_answers.REPORTS:
        text = (ROOT / "docs" / "reports" / f"{id}.html").read_text()
        record = next(one for one in publish.records_of(id, ROOT) if one.seed == 0)
        assert len(text) < 1_000_000 and f"{record.verdict.last:.2f}" in text
