"""A look at the pictures before a search and after it: groups, duplicates, uneven classes, wrong labels."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from brief_search import given
from featherweight.data.dataset import Data
from featherweight.data.split import Split
from featherweight.errors import DataError, UsageError
from featherweight.search.fit import final_training, planning, search_loop
from featherweight.search.fit.candidate import Candidate
from featherweight.search.fit.data_checks import check_data
from featherweight.search.fit.groups import groups_of_pictures, held_groups, near_duplicates, series_in
from featherweight.search.fit.mislabelled import SHOWN, Suspect, rank_labels, ranked, write_labels
from featherweight.search.fit.resized import resized_data, save
from featherweight.search.fit.trial import Aim, TrialTask, TrialUpdate, loss_level
from featherweight.search.fit.workers import train_candidate
from featherweight.training.runs.events import Started


def noise(count: int, side: int = 16, seed: int = 0) -> torch.Tensor:
    """Smooth grey pictures that have nothing to do with each other."""
    draws = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 1, 5, 5, generator=draws) * 255
    return functional.interpolate(coarse, (side, side), mode="bicubic").clamp(0, 255).to(torch.uint8)


def test_pictures_that_are_nearly_equal_belong_together_and_others_do_not():
    images = noise(40)
    shifted = images.clone()
    shifted[:, :, :, 1:] = images[:, :, :, :-1]
    brighter = (images.float() * 0.8 + 30).to(torch.uint8)
    # Each original, a brighter copy and a noisy one; then the same ones turned, which are other pictures.
    rough = (images.float() + 4 * torch.randn(images.shape, generator=torch.Generator().manual_seed(1))).clamp(0, 255)
    turned = images.transpose(2, 3)
    found = near_duplicates(torch.cat([images, brighter, rough.to(torch.uint8), turned]))
    assert (found[40:80] == torch.arange(40)).float().mean() >= 0.95
    assert (found[80:120] == torch.arange(40)).float().mean() >= 0.95
    assert (found[120:] == torch.arange(120, 160)).float().mean() >= 0.95
    flat = torch.full((6, 1, 8, 8), 9, dtype=torch.uint8)
    assert near_duplicates(flat).tolist() == list(range(6))  # nothing is to be seen on them
    # A chain of frames that change little by little is one group, but not if it were a tenth of everything.
    frames = torch.stack([(images[0] * (1 - t / 90) + images[1] * (t / 90)).to(torch.uint8) for t in range(10)])
    chained = near_duplicates(torch.cat([frames, noise(190, seed=5)]))
    assert len(chained[:10].unique()) <= 4 and near_duplicates(frames).unique().numel() > 4


def test_a_part_of_the_names_that_recurs_over_the_classes_is_a_series():
    names = [f"train/{word}/{speaker:08}_NO_{take:02}.png" for word in "abc" for speaker in range(18)
             for take in range(5)]  # fmt: skip
    labels = torch.arange(3).repeat_interleave(90)
    by, of = series_in(names, labels)
    assert "00000000" in by and len(of.unique()) == 18 and of[:5].tolist() == [0] * 5 and of[90] == 0
    assert series_in([f"{n:04}.png" for n in range(270)], labels) is None  # a number of its own each
    assert series_in([f"{n // 90}_{n % 5}.png" for n in range(270)], labels) is None  # few values
    assert series_in(["a_b.png", *names[1:]], labels) is None  # not all are made alike
    images = noise(270)
    found = groups_of_pictures(names, labels, images, None, None)
    assert found.count == 18 and "part 1" in found.by
    named = groups_of_pictures(names, labels, images, None, r"_(\d\d)\.")
    assert named.count == 5 and named.of[:7].tolist() == [0, 1, 2, 3, 4, 0, 1]
    assert groups_of_pictures([], labels, images, None, None) is None
    for pattern, said in (("(", "is none"), ("x{9}", "finds nothing in train/a/0"), ("NO", "finds 1 group")):
        with pytest.raises(UsageError, match=said):
            groups_of_pictures(names, labels, images, None, pattern)
    with pytest.raises(UsageError, match="these data have none"):
        groups_of_pictures([], labels, images, None, "a")


def write_words(root: Path) -> Path:
    """Pictures of three words by 18 speakers, five times each."""
    draws = np.random.default_rng(0)
    for label in "abc":
        (root / label).mkdir(parents=True)
        for number in range(90):
            pixels = draws.integers(0, 256, (9, 9), dtype=np.uint8)
            Image.fromarray(pixels).save(root / label / f"{number // 5:04}_x_{number % 5}.png")
    return root


def test_a_group_is_trained_on_or_held_out_as_a_whole(tmp_path: Path):
    root = write_words(tmp_path / "words")
    found = resized_data(str(root), seed=0)
    speakers = torch.tensor([int(Path(name).name[:4]) for name in found.names])
    assert len(found.names) == len(found.labels) and len(found.folds) == 10
    for fold in found.folds:
        assert fold.any() and not set(speakers[fold].tolist()) & set(speakers[~fold].tolist())
    assert torch.stack(found.folds[:5]).sum(0).unique().tolist() == [1]
    takes = resized_data(str(root), seed=0, group=r"_(\d)\.png")
    take = torch.tensor([int(Path(name).stem[-1]) for name in takes.names])
    assert takes.groups.count == 5 and all(len(take[fold].unique()) == 1 for fold in takes.folds)
    parts = held_groups(torch.tensor([0] * 6 + [1] * 3 + [2, 3, 4]), 2, seed=3)
    assert torch.bincount(parts).tolist() == [6, 6] and len(parts[:6].unique()) == 1


def test_equal_pictures_in_both_halves_or_under_two_labels_are_counted_and_named():
    images = noise(30)
    images[7], images[8] = images[2], images[3]
    labels = torch.arange(30) % 2
    labels[20:] = 0
    test = Split(images=torch.cat([images[4:6], noise(3, seed=9)]), labels=torch.zeros(5, dtype=torch.int64))
    names = [f"{n}.png" for n in range(30)]
    found = check_data(Split(images=images, labels=labels), test, ("cat", "dog"), names)
    # 2 and 7 have labels 0 and 1, 3 and 8 have 1 and 0.
    assert (found.two_labels, found.twins, found.in_both) == (4, 2, 2)
    assert found.examples == ("2.png", "3.png", "7.png") and found.least == ("dog", 10) and found.most == ("cat", 20)
    said = " ".join(found.lines(False))
    assert "10 of dog" in said and "--balanced" in said and "2.png" in said and "2 test images" in said
    assert "--balanced" not in " ".join(found.lines(True))
    clean = check_data(Split(images=noise(30), labels=torch.arange(30) % 2), None, ("cat", "dog"))
    assert clean.lines(False) == []


def test_balanced_accuracy_has_every_class_count_alike(tmp_path: Path):
    pixels = noise(60).numpy()[:, 0]
    labels = [0] * 45 + [1] * 15
    data = Data.from_arrays(pixels, labels, test=(pixels[:5], [0, 0, 0, 1, 1]))
    found = resized_data(data, seed=0)
    plain, even = (
        search_loop.open_search(found, Aim(balanced=balanced), tmp_path, seed=0, seconds=60, coloured=False)
        for balanced in (False, True)
    )
    held = found.labels[found.folds[0]]
    always_first = bytes(int(label == 0) for label in held.tolist())
    work = TrialTask(trial=0, genes=Candidate(), epochs=1)
    update = TrialUpdate(work=work, done=1, seconds=1, correct=sum(always_first), judged=len(held), images=always_first)
    assert plain.counted(update).correct == sum(always_first) > 0.7 * len(held)
    assert even.counted(update).correct == round(0.5 * len(held))
    assert even.counted(replace(update, images=b"")).correct == update.correct  # an earlier version's note


def test_what_was_held_out_is_known_picture_by_picture(tmp_path: Path):
    data = Data.from_arrays(noise(60).numpy()[:, 0], np.arange(60) % 2, test=(noise(5).numpy()[:, 0], [0, 1, 0, 1, 0]))
    found = resized_data(data, seed=0)
    (tmp_path / "views").mkdir()
    save(found, tmp_path / "views")
    genes = planning.shallow_enough(Candidate(), (1, 16, 16), 2)
    *_, update = train_candidate(TrialTask(trial=0, genes=genes, epochs=1), tmp_path / "views", found.classes)
    held = found.labels[found.folds[0]].tolist()
    right = [answer == label for answer, label in zip(update.answers, held, strict=True)]
    assert update.correct == sum(right) and update.loss == pytest.approx(sum(update.losses) / len(held))
    assert [image & 1 for image in update.images] == right
    assert [image >> 1 for image in update.images] == [loss_level(loss) for loss in update.losses]
    search = search_loop.open_search(found, Aim(), tmp_path, seed=0, seconds=60, coloured=False)
    work = planning.next_task(search, 0.0, 60.0)
    given(search, replace(update, work=work), 1.0)
    again = search_loop.open_search(found, Aim(), tmp_path, seed=0, seconds=60, coloured=False)
    assert again.population.trials[0].updates[0][0].images == update.images
    line = json.loads(search.file.read_text())
    assert "answers" not in line and "losses" not in line


def test_planted_wrong_labels_come_first_and_the_page_shows_them(tmp_path: Path):
    """Two kinds of made pictures with 2 % wrong labels: three of four among the first 4 %."""
    for kind in ("stripes", "discs"):
        pixels, labels, planted = labelled(kind, 300, wrong=6)
        data = Data.from_arrays(pixels, labels, test=(pixels[:9], labels[:9]))
        found = resized_data(data, seed=0)
        (tmp_path / kind).mkdir()
        search = search_loop.open_search(found, Aim(), tmp_path / kind, seed=0, seconds=600, coloured=False)
        work = planning.next_task(search, 0.0, 600.0)
        trial = search.population.trials[work.trial]
        *_, suspects = rank_labels(search, trial, 1e9, cores=2)
        first = {one.image for one in suspects[: round(SHOWN * 300)]}
        assert len(suspects) == 300 and len(first & planted) >= 0.75 * len(planted), (kind, first, planted)
        count = write_labels(suspects, found, tmp_path / kind)
        page = (tmp_path / kind / "labels.html").read_text()
        assert 5 <= count <= 12 and page.count('type="checkbox"') == count and "training image" in page


def test_the_page_of_labels_names_files_whatever_they_are_called(tmp_path: Path):
    pixels, labels, _ = labelled("discs", 90, wrong=0)
    found = resized_data(Data.from_arrays(pixels, labels, test=(pixels[:9], labels[:9])), seed=0)
    names = ("train/a/\udcff<b>.png", *(f"train/a/{number}.png" for number in range(89)))
    suspect = Suspect(image=0, loss=3.0, answer=int(found.labels[1]))
    assert write_labels([suspect], replace(found, names=names), tmp_path) == 1
    assert "train/a/\\udcff&lt;b&gt;.png" in (tmp_path / "labels.html").read_text()


def labelled(kind: str, count: int, wrong: int) -> tuple[np.ndarray, np.ndarray, set[int]]:
    """Pictures in three classes, and which have a wrong label."""
    draws = np.random.default_rng(3)
    y, x = np.mgrid[:16, :16]
    labels = np.arange(count) % 3
    pixels = []
    for label in labels:
        if kind == "stripes":
            angle = np.pi * label / 3
            clean = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 1.2 + draws.uniform(0, 6))
        else:
            cx, cy = draws.uniform(6, 10, 2)
            clean = 2.0 * (np.hypot(x - cx, y - cy) < 2 + 2 * label) - 1
        pixels.append(np.clip(127 + 90 * clean + draws.normal(0, 15, (16, 16)), 0, 255))
    planted = set(draws.choice(count, wrong, replace=False).tolist())
    given_labels = np.array([(label + 1) % 3 if at in planted else label for at, label in enumerate(labels)])
    return np.array(pixels, dtype=np.uint8), given_labels, planted


def test_the_rank_is_by_loss_with_answers_that_differ_first():
    folds = (torch.tensor([True, False, True, False]), torch.tensor([False, True, False, True]))
    work = TrialTask(trial=0, genes=Candidate(), epochs=1)
    one = TrialUpdate(work=work, done=1, seconds=1, correct=1, judged=2, images=bytes([1, 0]), losses=(3.0, 0.9),
                      answers=(0, 1))  # fmt: skip
    two = replace(one, work=replace(work, fold=1), images=bytes([0, 1]), losses=(2.0, 0.1), answers=(2, 1))
    assert ranked(folds, [one, two]) == [
        Suspect(image=1, loss=2.0, answer=2), Suspect(image=2, loss=0.9, answer=1),
        Suspect(image=0, loss=3.0, answer=0), Suspect(image=3, loss=0.1, answer=1),
    ]  # fmt: skip


@pytest.mark.parametrize("half", ["train", "test"])
def test_pictures_that_change_between_search_and_last_training_are_noticed(tmp_path: Path, half: str):
    for name in ("train", "test"):
        write_words(tmp_path / "words" / name)
    found = resized_data(str(tmp_path / "words"), seed=0, size=(9, 9))
    search = search_loop.open_search(found, Aim(), tmp_path, seed=0, seconds=60, coloured=False)
    work = planning.next_task(search, 0.0, 60.0)
    held = int(found.folds[0].sum())
    given(search, TrialUpdate(work=work, done=1, seconds=1, correct=held, judged=held), 1.0)
    one = tmp_path / "words" / half / "a" / "0000_x_0.png"
    one.write_bytes((one.parent / "0001_x_0.png").read_bytes())
    (tmp_path / "out").mkdir()
    events = final_training.train_final(
        search, search.population.trials[0], tmp_path / "out", data=None, left=60.0, cores=1, directory=None
    )
    with pytest.raises(DataError, match=f"{half}.* pictures .*changed since the search began"):
        for event in events:
            assert isinstance(event, Started)
