"""Downloads against a mirror on this machine: whole or not at all, once, and from HTTPS alone."""

import fcntl
import gzip
import hashlib
import io
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import torch

from data_files import SIDE, TEST, TRAIN, Mirror, contents, idx_bytes, mirror, small_images, small_set
from featherweight.data import alt_formats, download, store
from featherweight.data.download import UnavailableError, UnwritableError, fetch
from featherweight.data.sets import SETS, DatasetSpec, File
from featherweight.io import locked

IMAGES = "/train-images-idx3-ubyte.gz"


@pytest.fixture
def near(monkeypatch: pytest.MonkeyPatch, alone: Path) -> Iterator[Mirror]:
    monkeypatch.setattr(download, "PLAIN_HTTP", frozenset({"127.0.0.1"}))
    with mirror() as state:
        yield state


@pytest.fixture
def second(near: Mirror) -> Iterator[Mirror]:
    with mirror() as state:
        yield state


def files_of(known: DatasetSpec) -> list[File]:
    return [*known.train, *known.test]


def assert_whole(folder: Path) -> None:
    """The four files, right, and nothing else."""
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"{name}.gz" for name in contents())
    for name, content in contents().items():
        assert gzip.decompress((folder / f"{name}.gz").read_bytes()) == content


def refusal(known: DatasetSpec, folder: Path, kind: type[Exception] = UnavailableError) -> str:
    with pytest.raises(kind) as caught:
        fetch(known, files_of(known), folder)
    return str(caught.value)


def answering(status: int, body: bytes = b"", **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(body)

    return answer


def test_a_set_is_fetched_and_its_progress_told(near: Mirror, tmp_path: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    fetch(small_set(near.address), files_of(small_set()), tmp_path / "set", lambda *what: told.append(what))
    assert_whole(tmp_path / "set")
    size = len(near.files[IMAGES])
    assert told[0] == ("train-images-idx3-ubyte", size, size)
    assert [path for path, _ in near.asked] == [f"/{file.name}.gz" for file in files_of(small_set())]


def test_what_is_there_is_not_fetched_again(near: Mirror, tmp_path: Path) -> None:
    (tmp_path / "t10k-labels.idx1-ubyte").write_bytes(contents()["t10k-labels-idx1-ubyte"])
    for _ in range(2):
        fetch(small_set(near.address), files_of(small_set()), tmp_path)
    assert len(near.asked) == 3 and not any("t10k-labels" in path for path, _ in near.asked)


def longer(request: BaseHTTPRequestHandler) -> None:
    """Never stops sending, without announcing how much."""
    answering(200)(request)
    try:
        while True:
            request.wfile.write(b"\x1f\x8b" + bytes(100_000))
    except OSError:
        pass


def silent(request: BaseHTTPRequestHandler) -> None:
    time.sleep(30)


WRONG = {
    "it answered 404": answering(404),
    "it answered 500": answering(500),
    "it answers with a web page instead of the file": answering(200, b"\n <html>Log in to the network</html>"),
    "it answers with something else instead of the file": answering(200, b"PNG" * 99),
    "is not the IDX file it should be": answering(200, gzip.compress(b"nonsense" * 99)),
    "does not match its digest": answering(200, gzip.compress(idx_bytes(small_images(TRAIN, seed=99)))),
    "it announces 999,999 bytes, but the file cannot have more than 5,224": answering(200, Content_Length="999999"),
    "it sends more than the 5,224 bytes that the file can have": longer,
    "which is not HTTPS": answering(302, Location="http://example.org/x.gz"),
    "it answered 301": answering(301, Location="file:///etc/passwd"),  # which urllib itself does not follow
    "it leads to ftp://example.org/x, which is not HTTPS": answering(307, Location="ftp://example.org/x"),
    "it does not answer": silent,
    "it answered 302": answering(302, Location="/train-images-idx3-ubyte.gz"),
}


@pytest.mark.parametrize("reason", WRONG)
def test_a_mirror_that_is_wrong_is_passed_over_and_its_reason_told(
    near: Mirror, second: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    monkeypatch.setattr(download, "ANSWER_S", 1.0 if "not answer" in reason else 60.0)
    near.odd[IMAGES] = WRONG[reason]
    assert TRAIN * SIDE * SIDE + TRAIN * SIDE * SIDE // 1000 + 4096 == 5_224
    said = refusal(small_set(near.address), tmp_path / "alone")
    assert said.startswith("mnist could not be downloaded: 127.0.0.1: ") and reason in said
    assert not (tmp_path / "alone").exists()
    fetch(small_set(near.address, second.address), files_of(small_set()), tmp_path / "set")
    assert_whole(tmp_path / "set")


def test_plain_http_is_not_asked_at_all(near: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PLAIN_HTTP", frozenset())
    assert "which is not HTTPS" in refusal(small_set(near.address), tmp_path)
    assert near.asked == []


def test_a_redirect_on_secure_ground_is_followed(near: Mirror, tmp_path: Path) -> None:
    near.files["/moved"] = near.files[IMAGES]
    near.odd[IMAGES] = answering(302, Location=f"{near.address}moved")
    fetch(small_set(near.address), files_of(small_set()), tmp_path)
    assert_whole(tmp_path)


def test_every_mirror_is_named_with_its_reason(near: Mirror, tmp_path: Path) -> None:
    near.odd[IMAGES] = answering(404)
    known = small_set(near.address, "https://no.such.host.invalid/", "https://127.0.0.1:1/")
    said = refusal(known, tmp_path)
    assert "127.0.0.1: it answered 404; no.such.host.invalid: " in said and "127.0.0.1: Connection refused" in said
    assert said.endswith("Try again when you are online, or name a folder that holds its files.")


def test_an_unpacked_answer_is_taken_too(near: Mirror, tmp_path: Path) -> None:
    near.files[IMAGES] = contents()["train-images-idx3-ubyte"]
    fetch(small_set(near.address), files_of(small_set()), tmp_path)
    assert (tmp_path / IMAGES[1:]).read_bytes() == contents()["train-images-idx3-ubyte"]


def breaking_off(state: Mirror, after: int) -> Callable[[BaseHTTPRequestHandler], None]:
    """Announce the rest of the file and send so many bytes of it, each time."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        content = state.files[IMAGES]
        start = int((request.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        request.send_response(206 if start else 200)
        request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        request.send_header("Content-Length", str(len(content) - start))
        request.end_headers()
        request.wfile.write(content[start : start + after])

    return answer


def test_a_broken_off_download_is_taken_up_where_it_stopped(near: Mirror, tmp_path: Path) -> None:
    near.odd[IMAGES] = breaking_off(near, after=400)
    size = len(near.files[IMAGES])
    assert 800 < size <= 5 * 400
    fetch(small_set(near.address), files_of(small_set()), tmp_path)
    assert_whole(tmp_path)
    spans = [span for path, span in near.asked if path == IMAGES]
    assert spans == ["", *(f"bytes={start}-" for start in range(400, size, 400))]


def test_what_came_is_kept_for_another_day(near: Mirror, tmp_path: Path) -> None:
    near.odd[IMAGES] = breaking_off(near, after=100)
    assert "127.0.0.1: it breaks off" in refusal(small_set(near.address), tmp_path)
    (part,) = tmp_path.iterdir()
    assert part.read_bytes() == near.files[IMAGES][:500] and part.suffix == ".part"
    del near.odd[IMAGES]
    fetch(small_set(near.address), files_of(small_set()), tmp_path)
    assert_whole(tmp_path)
    assert (IMAGES, "bytes=500-") in near.asked


def test_a_part_that_does_not_fit_the_rest_is_fetched_anew(near: Mirror, tmp_path: Path) -> None:
    near.odd[IMAGES] = breaking_off(near, after=100)
    refusal(small_set(near.address), tmp_path)
    (part,) = tmp_path.iterdir()
    for stale in (b"\x1f\x8b" + bytes(300), bytes(3_000), near.files[IMAGES]):
        near.odd.clear()
        part.write_bytes(stale)
        fetch(small_set(near.address), [small_set().train[0]], tmp_path)
        assert gzip.decompress((tmp_path / IMAGES[1:]).read_bytes()) == contents()["train-images-idx3-ubyte"]
        (tmp_path / IMAGES[1:]).unlink()


def test_a_mirror_that_cannot_resume_starts_over(near: Mirror, tmp_path: Path) -> None:
    near.odd[IMAGES] = breaking_off(near, after=100)
    refusal(small_set(near.address), tmp_path)
    near.odd[IMAGES] = answering(200, near.files[IMAGES], Content_Length=str(len(near.files[IMAGES])))
    fetch(small_set(near.address), files_of(small_set()), tmp_path)
    assert_whole(tmp_path)


def test_what_one_mirror_began_another_does_not_end(near: Mirror, second: Mirror, tmp_path: Path) -> None:
    near.odd[IMAGES] = breaking_off(near, after=100)
    second.files = {path: gzip.compress(gzip.decompress(content), 1) for path, content in second.files.items()}
    fetch(small_set(near.address, second.address), files_of(small_set()), tmp_path)
    assert_whole(tmp_path)
    assert (IMAGES, "") in second.asked


def test_silence_halves_the_patience(near: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float] = []

    def never(address: str, start: int, patience_s: float) -> object:
        given.append(patience_s)
        raise download.SilentError("it does not answer")

    monkeypatch.setattr(download, "open_response", never)
    refusal(small_set("https://a.org/", "https://b.org/", "https://c.org/"), tmp_path)
    assert given == [5.0, 2.5, 1.25]


def test_threads_share_one_download(near: Mirror, tmp_path: Path) -> None:
    known = small_set(near.address)
    threads = [threading.Thread(target=fetch, args=(known, files_of(known), tmp_path)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert_whole(tmp_path)
    assert len(near.asked) == 4


def test_processes_share_one_download(near: Mirror, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from data_files import small_set\n"
        "from featherweight.data import download\n"
        "download.PLAIN_HTTP = frozenset({'127.0.0.1'}); known = small_set(sys.argv[1])\n"
        "download.fetch(known, [*known.train, *known.test], Path(sys.argv[2]))"
    )
    here = Path(__file__).parents[1]
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(here)!r})\n{program}"]
    running = [subprocess.Popen([*command, near.address, str(tmp_path)]) for _ in range(2)]
    assert [process.wait() for process in running] == [0, 0]
    assert_whole(tmp_path)
    assert len(near.asked) == 4


def test_a_lock_is_given_back_when_its_holder_is_killed(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys, time\nfrom featherweight.io import locked\n"
        "held = locked(pathlib.Path(sys.argv[1]))\n"
        "held.__enter__(); print('held', flush=True); time.sleep(600)"
    )
    path = tmp_path / "lock"
    holder = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE)
    assert holder.stdout and holder.stdout.readline() == b"held\n"
    got = threading.Event()

    def wait_for_it() -> None:
        with locked(path):
            got.set()

    waiting = threading.Thread(target=wait_for_it)
    waiting.start()
    assert not got.wait(0.3)
    holder.kill()
    holder.communicate()
    waiting.join(300)
    assert got.is_set() and not path.exists()


def test_a_lock_on_a_file_that_its_holder_removed_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, tries, really = tmp_path / "lock", [], fcntl.flock

    def removed_in_between(handle: int, how: int) -> None:
        if not tries:
            path.unlink()
        tries.append(handle)
        really(handle, how)

    monkeypatch.setattr(fcntl, "flock", removed_in_between)
    with locked(path):
        assert path.exists() and len(tries) >= 2


def test_an_unwritable_folder_is_named(near: Mirror, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = refusal(small_set(near.address), tmp_path / "file" / "set", UnwritableError)
    assert said == f"{tmp_path / 'file' / 'set'} cannot be written (Not a directory)."


def test_a_full_disk_is_named(near: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(alt_formats.os, "fsync", full)
    said = refusal(small_set(near.address), tmp_path, UnwritableError)
    assert said == f"{tmp_path} cannot be written (No space left on device)."


def test_without_a_writable_cache_the_download_serves_one_run(
    near: Mirror, alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (alone / ".cache").touch()
    known = small_set(near.address)
    whole = store.load(known, None, None, with_test=True)
    assert whole.train.images[:, 0].tolist() == small_images(TRAIN, 3).tolist()
    assert whole.note.startswith("mnist was downloaded for this run alone, since ")
    assert "cannot be written (Not a directory)." in whole.note

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    note = store.load(known, None, None, with_test=False).note
    assert note == "mnist was downloaded for this run alone, since no folder for the user's cache is known."


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def archived(address: str) -> DatasetSpec:
    return replace(small_set(f"{address}all.zip"), archive="gzip/", archive_bytes=100_000, transposed=True)


def test_an_archive_is_fetched_and_its_files_taken_out(near: Mirror, alone: Path) -> None:
    members = {f"gzip/{name}.gz": gzip.compress(content) for name, content in contents().items()}
    near.files["/all.zip"] = zipped({"../../outside": b"x", **members})
    whole = store.load(archived(near.address), None, None, with_test=True)
    assert_whole(alone / ".cache" / "featherweight" / "mnist")
    assert [path for path, _ in near.asked] == ["/all.zip"]
    expected = small_images(TRAIN, 3).transpose(1, 2)
    assert torch.equal(whole.train.images[:, 0], expected) and whole.train.images.is_contiguous()
    assert whole.test is not None and len(whole.test) == TEST
    assert not list(alone.rglob("outside"))


def test_a_hostile_archive_is_refused(near: Mirror, tmp_path: Path) -> None:
    name = "gzip/train-images-idx3-ubyte.gz"
    good = {f"gzip/{name}.gz": gzip.compress(content) for name, content in contents().items()}
    for content, said in (
        (zipped({**good, name: bytes(5_000_000)}), f"{name} is larger than the 5,224 bytes it can have"),
        (zipped({**good, name: b"<html>"}), "is not the IDX file it should be"),
        (zipped({}), 'is not the ZIP archive it should be ("There is no item named'),
        (b"PK" + bytes(1000), "is not the ZIP archive it should be (File is not a zip file)"),
        (b"PK".ljust(200_000), "it announces 200,000 bytes"),
    ):
        near.files["/all.zip"] = content
        assert said in refusal(archived(near.address), tmp_path)
        assert not (tmp_path / IMAGES[1:]).exists()


def test_every_mirror_of_the_known_sets_is_secure_and_each_file_has_a_bound() -> None:
    assert len(SETS) == 7
    for known in SETS.values():
        assert known.mirrors and all(address.startswith("https://") for address in known.mirrors)
        assert all(None not in file.shape for file in files_of(known))
    assert [len(SETS[name].mirrors) >= 2 for name in SETS] == [True, True, False, True, True, False, False]
    digests = [file.sha256 for file in files_of(SETS["mnist"])]
    assert len(set(digests)) == 4 and all(len(bytes.fromhex(digest)) == 32 for digest in digests)
    assert hashlib.sha256(contents()["t10k-labels-idx1-ubyte"]).hexdigest() == small_set().test[1].sha256
