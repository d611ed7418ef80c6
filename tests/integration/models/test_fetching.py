"""Models are fetched from a web server that breaks off, lies, moves or is away; into a cache that is full or closed."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from filelock import FileLock

from pipeline.errors import ModelError
from pipeline.models.catalog import Catalog, Entry, load_catalog
from pipeline.models.fetching import Fetched, Fetcher, Quiet
from pipeline.models.model_cache import ModelCache, State
from tests.integration.command import environment
from tests.integration.models.model_server import ModelServer, Offer, served

CONTENT = np.random.default_rng(3).bytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
OTHER = np.random.default_rng(4).bytes(300_000)


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with served() as running:
        running.offers["net.onnx"] = Offer(CONTENT)
        yield running


@pytest.fixture
def cache(tmp_path: Path) -> ModelCache:
    return ModelCache(tmp_path / "models")


def catalog_file(folder: Path, server: ModelServer, **of_the_file: object) -> Path:
    """A catalogue of the user's own with one model. `of_the_file`: its hash and so on; None takes one away."""
    told = {"address": server.address("net.onnx"), "sha256": SHA256, "bytes": len(CONTENT), **of_the_file}
    file = {key: value for key, value in told.items() if value is not None}
    model = {"task": "embed", "backend": "onnx", "files": [file], "licence": "MIT"}
    path = folder / "own.yaml"
    path.write_text(yaml.safe_dump({"proofs": {"us": "our own file"}, "models": {"net": model}}))
    return path


def known(folder: Path, server: ModelServer, **of_the_file: object) -> Catalog:
    return load_catalog(catalog_file(folder, server, **of_the_file))


def fetch(catalog: Catalog, cache: ModelCache, *, attempts: int = 2) -> Fetched:
    return Fetcher(cache, forbidden=None, attempts=attempts, pause=0.0).ready(catalog.find("net"))


def anew(catalog: Catalog, cache: ModelCache) -> Fetched:
    return Fetcher(cache, forbidden=None, attempts=2, pause=0.0).anew(catalog.find("net"))


def left_in(cache: ModelCache) -> set[str]:
    """Files of the model, but the lock and what is remembered."""
    names = {path.name for path in (cache.folder / "net").iterdir()}
    return {name for name in names if name != ".lock" and not name.endswith(".json")}


def test_a_file_is_fetched_once_and_its_hash_computed_once(
    server: ModelServer, cache: ModelCache, tmp_path: Path
) -> None:
    catalog = known(tmp_path, server, verified="us")
    fetched = fetch(catalog, cache)
    assert fetched.paths == (cache.folder / "net" / "net.onnx",)
    assert fetched.paths[0].read_bytes() == CONTENT
    assert left_in(cache) == {"net.onnx"}
    assert fetch(catalog, cache) == fetched
    assert server.ranges("net.onnx") == [None]
    [file] = catalog.find("net").files
    assert cache.looked(catalog.find("net"), file).state is State.GOOD
    memory = fetched.paths[0].with_name("net.onnx.sha256.json")
    said = json.loads(memory.read_text())
    memory.write_text(json.dumps(said | {"sha256": "0" * 64}))
    assert cache.looked(catalog.find("net"), file).state is State.WRONG  # it is believed, while size and time are those
    os.utime(fetched.paths[0])
    assert cache.looked(catalog.find("net"), file).state is State.GOOD


@pytest.mark.parametrize("tag", ['"one"', None, 'W/"one"'], ids=["tagged", "untagged", "weakly tagged"])
def test_a_broken_download_goes_on_where_it_ended(
    server: ModelServer, cache: ModelCache, tmp_path: Path, tag: str | None
) -> None:
    server.offers["net.onnx"] = Offer(CONTENT, tag=tag, cuts=[100_000, 50_000])
    assert fetch(known(tmp_path, server), cache).paths[0].read_bytes() == CONTENT
    assert server.ranges("net.onnx") == [None, "bytes=100000-", "bytes=150000-"]
    conditions = [headers.get("if-range") for _, headers in server.asked]
    assert conditions == ([None, '"one"', '"one"'] if tag == '"one"' else [None, None, None])


def test_so_does_the_next_process(server: ModelServer, cache: ModelCache, tmp_path: Path) -> None:
    server.offers["net.onnx"] = Offer(CONTENT, cuts=[100_000, 0, 0, 0])
    catalog = known(tmp_path, server)
    with pytest.raises(ModelError, match=r"100000 bytes of it are kept, .* Where there is a network, fetch http"):
        fetch(catalog, cache)
    assert left_in(cache) == {"net.onnx.part"}
    server.offers["net.onnx"].cuts.clear()
    assert fetch(catalog, cache).paths[0].read_bytes() == CONTENT
    assert server.ranges("net.onnx")[-1] == "bytes=100000-"
    assert left_in(cache) == {"net.onnx"}


def test_a_file_that_changed_in_between_is_fetched_anew(server: ModelServer, cache: ModelCache, tmp_path: Path) -> None:
    server.offers["net.onnx"] = Offer(OTHER, cuts=[100_000, 0, 0])
    catalog = known(tmp_path, server)
    with pytest.raises(ModelError):
        fetch(catalog, cache)
    server.offers["net.onnx"] = Offer(CONTENT, tag='"two"')
    assert fetch(catalog, cache).paths[0].read_bytes() == CONTENT
    assert server.ranges("net.onnx")[-1] == "bytes=100000-"  # which was asked for on condition that it is the same


def test_without_a_hash_and_a_tag_nothing_is_gone_on_with(
    server: ModelServer, cache: ModelCache, tmp_path: Path
) -> None:
    server.offers["net.onnx"] = Offer(CONTENT, tag=None, cuts=[100_000])
    assert fetch(known(tmp_path, server, sha256=None), cache).paths[0].read_bytes() == CONTENT
    assert server.ranges("net.onnx") == [None, None]


def test_a_server_that_gives_no_parts_is_asked_for_all(server: ModelServer, cache: ModelCache, tmp_path: Path) -> None:
    server.offers["net.onnx"] = Offer(CONTENT, cuts=[100_000], ranges=False)
    assert fetch(known(tmp_path, server), cache).paths[0].read_bytes() == CONTENT
    assert server.ranges("net.onnx") == [None, "bytes=100000-"]


def test_a_download_that_was_whole_when_the_process_died(
    server: ModelServer, cache: ModelCache, tmp_path: Path
) -> None:
    server.offers["net.onnx"] = Offer(CONTENT, cuts=[100_000, 0, 0])
    catalog = known(tmp_path, server)
    with pytest.raises(ModelError):
        fetch(catalog, cache)
    (cache.folder / "net" / "net.onnx.part").write_bytes(CONTENT)
    assert fetch(catalog, cache).paths[0].read_bytes() == CONTENT
    (cache.folder / "net" / "net.onnx").unlink()
    assert fetch(catalog, cache).paths[0].read_bytes() == CONTENT


def test_kept_bytes_that_are_not_the_files_are_found_out(
    server: ModelServer, cache: ModelCache, tmp_path: Path
) -> None:
    server.offers["net.onnx"] = Offer(CONTENT, tag=None, cuts=[100_000, 0, 0])
    catalog = known(tmp_path, server)
    with pytest.raises(ModelError):
        fetch(catalog, cache)
    (cache.folder / "net" / "net.onnx.part").write_bytes(OTHER[:100_000])
    with pytest.raises(ModelError, match=f"but the catalogue says {SHA256}: refused and removed"):
        fetch(catalog, cache)
    assert fetch(catalog, cache).paths[0].read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"sha256": "a" * 64}, "the catalogue says aaaa.*: refused and removed.*unverified and may be wrong itself"),
        ({"sha256": "a" * 64, "verified": "us"}, "refused and removed.*try again later"),
        ({"sha256": None, "sha256_begins": "abcdef01"}, r"the catalogue says abcdef01\.\.\.: refused"),
    ],
    ids=["unverified", "verified", "a beginning"],
)
def test_a_file_of_another_hash_is_refused_and_removed(
    server: ModelServer, cache: ModelCache, tmp_path: Path, said: dict[str, object], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        fetch(known(tmp_path, server, **said), cache)
    assert left_in(cache) == set()


def test_a_file_of_another_size_is_refused_before_it_comes(
    server: ModelServer, cache: ModelCache, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="gives a file of 300000 bytes, but the catalogue says 5: not it"):
        fetch(known(tmp_path, server, bytes=5), cache)
    server.offers["net.onnx"].length = False
    with pytest.raises(ModelError, match="gives more than the 5 bytes"):
        fetch(known(tmp_path, server, bytes=5), cache)


def test_a_file_that_stays_short_is_no_file(server: ModelServer, cache: ModelCache, tmp_path: Path) -> None:
    server.offers["net.onnx"] = Offer(CONTENT, cuts=[250_000, 0, 0])
    with pytest.raises(ModelError, match=r"cannot be fetched.*250000 bytes of it are kept"):
        fetch(known(tmp_path, server), cache)
    assert left_in(cache) == {"net.onnx.part"}
    server.offers["short.onnx"] = Offer(CONTENT[:1000], length=False)
    own = known(tmp_path, server, address=server.address("short.onnx"))
    with pytest.raises(ModelError, match="gives a file of 1000 bytes, but the catalogue says 300000: not it; refused"):
        fetch(own, cache)


def test_where_no_length_is_told_the_catalogues_counts(server: ModelServer, cache: ModelCache, tmp_path: Path) -> None:
    """A connection that breaks off ends like one that gave all."""
    server.offers["net.onnx"] = Offer(CONTENT, cuts=[100_000], length=False)
    assert fetch(known(tmp_path, server, sha256=None), cache).paths[0].read_bytes() == CONTENT
    assert server.ranges("net.onnx") == [None, "bytes=100000-"]


def test_without_any_length_and_hash_nothing_is_taken(server: ModelServer, cache: ModelCache, tmp_path: Path) -> None:
    server.offers["net.onnx"] = Offer(CONTENT, cuts=[100_000], length=False)
    catalog = known(tmp_path, server, sha256=None, bytes=None)
    with pytest.raises(ModelError, match=r"without its length.*; refused\. Add `bytes` or `sha256` to its entry"):
        fetch(catalog, cache)
    assert left_in(cache) == set()
    server.offers["net.onnx"] = Offer(CONTENT, tag=None, cuts=[100_000], chunked=True)  # the last chunk says the end
    assert fetch(catalog, cache).paths[0].read_bytes() == CONTENT
    assert server.ranges("net.onnx") == [None, None, None]


def test_a_wrong_file_stays_until_the_right_one_is_here(cache: ModelCache, tmp_path: Path) -> None:
    with served() as gone:
        catalog = known(tmp_path, gone)
    place = cache.folder / "net" / "net.onnx"
    place.parent.mkdir(parents=True)
    place.write_bytes(OTHER)
    with pytest.raises(ModelError, match=r"cannot be fetched: .*Connection refused\. Where there is a network, fetch"):
        anew(catalog, cache)
    assert place.read_bytes() == OTHER
    with served() as lying:
        lying.offers["net.onnx"] = Offer(OTHER[::-1])
        with pytest.raises(ModelError, match="refused and removed"):
            anew(known(tmp_path, lying), cache)
        assert place.read_bytes() == OTHER
        lying.offers["net.onnx"] = Offer(CONTENT)
        assert anew(known(tmp_path, lying), cache).paths == (place,)
    assert place.read_bytes() == CONTENT
    assert left_in(cache) == {"net.onnx"}


def test_what_another_process_replaced_meanwhile_is_kept(
    server: ModelServer, cache: ModelCache, tmp_path: Path
) -> None:
    """It is looked at again when this process has its turn."""
    catalog = known(tmp_path, server)
    place = cache.folder / "net" / "net.onnx"
    place.parent.mkdir(parents=True)
    place.write_bytes(OTHER)
    lock = FileLock(place.with_name(".lock"))
    lock.acquire()

    class Replacing(Quiet):
        def waits(self, entry: Entry) -> None:
            place.write_bytes(CONTENT)
            lock.release()

    fetched = Fetcher(cache, forbidden=None, onlooker=Replacing()).anew(catalog.find("net"))
    assert fetched.paths == (place,)
    assert server.asked == []


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda place: place.mkdir(), "net.onnx, where a file of model 'net' belongs, is a folder; move it away"),
        (os.mkfifo, "is no ordinary file; move it away"),
        (lambda place: place.symlink_to("/proc/self/mem"), "cannot be read: .*; make it readable, or remove it"),
    ],
    ids=["a folder", "a pipe", "unreadable"],
)
def test_what_cannot_be_read_is_told(
    server: ModelServer, cache: ModelCache, tmp_path: Path, make: Callable[[Path], None], message: str
) -> None:
    catalog = known(tmp_path, server)
    place = cache.folder / "net" / "net.onnx"
    place.parent.mkdir(parents=True)
    make(place)
    for brings in (fetch, anew):
        with pytest.raises(ModelError, match=message):
            brings(catalog, cache)
    assert os.path.lexists(place)
    assert server.asked == []


def test_an_unverified_file_says_so_and_is_kept_as_it_came(
    server: ModelServer, cache: ModelCache, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    catalog = known(tmp_path, server, sha256=None)
    path = fetch(catalog, cache).paths[0]
    assert "net is unverified: nobody confirms what it should be" in caplog.text
    assert cache.looked(catalog.find("net"), catalog.find("net").files[0]).state is State.UNCONFIRMED
    path.write_bytes(OTHER + b"more")
    with pytest.raises(ModelError, match=r"is not the file of model 'net': .* `sightline models fetch net` replace it"):
        fetch(catalog, cache)
    anew(catalog, cache)
    assert path.read_bytes() == CONTENT


def test_without_network_the_message_says_what_to_put_where(
    server: ModelServer, cache: ModelCache, tmp_path: Path
) -> None:
    catalog = known(tmp_path, server)
    closed = Fetcher(cache, forbidden="SIGHTLINE_NO_NETWORK forbids fetching it")
    place = cache.folder / "net" / "net.onnx"
    told = f"SIGHTLINE_NO_NETWORK .* fetch {server.address('net.onnx')} \\(SHA-256 {SHA256}\\) to {place}$"
    with pytest.raises(ModelError, match=told):
        closed.ready(catalog.find("net"))
    place.parent.mkdir(parents=True)
    place.write_bytes(OTHER)
    with pytest.raises(ModelError, match="is not the file of model 'net'"):
        closed.ready(catalog.find("net"))
    with pytest.raises(ModelError, match="SIGHTLINE_NO_NETWORK"):
        closed.anew(catalog.find("net"))
    assert place.read_bytes() == OTHER
    place.write_bytes(CONTENT)
    assert closed.ready(catalog.find("net")).paths == (place,)
    assert server.asked == []


def test_a_server_that_is_away(cache: ModelCache, tmp_path: Path) -> None:
    with served() as gone:
        catalog = known(tmp_path, gone)
    with pytest.raises(ModelError, match=r"cannot be fetched: .*Connection refused\. Where there is a network, fetch"):
        fetch(catalog, cache)


def test_a_server_that_is_busy_for_a_moment(
    server: ModelServer, cache: ModelCache, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.offers["net.onnx"] = Offer(CONTENT, status=[503])
    assert fetch(known(tmp_path, server), cache).paths[0].read_bytes() == CONTENT
    assert "the server answers 503 Service Unavailable; asking again in 0 s" in caplog.text
    server.offers["net.onnx"] = Offer(CONTENT, status=[404])
    with pytest.raises(ModelError, match="the server answers 404 Not Found"):
        fetch(known(tmp_path, server), ModelCache(tmp_path / "other"))
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    "place", ["http://models.example/net.onnx?signature=s3cret", "http://127.0.0.2/net.onnx", "ftp://127.0.0.1/net"]
)
def test_a_redirect_to_plain_http_is_refused(
    server: ModelServer, cache: ModelCache, tmp_path: Path, place: str
) -> None:
    server.offers["moved.onnx"] = Offer(b"", redirect=server.address("net.onnx"))
    assert fetch(known(tmp_path, server, address=server.address("moved.onnx")), cache)
    server.offers["net.onnx"] = Offer(b"", redirect=place)
    with pytest.raises(ModelError, match=r"no https address|cannot be fetched") as raised:
        fetch(known(tmp_path, server), cache)
    assert "s3cret" not in str(raised.value)
    assert left_in(cache) == {"moved.onnx"}


def test_where_a_redirect_leads_is_not_told(server: ModelServer, cache: ModelCache, tmp_path: Path) -> None:
    """Addresses of storages are signed: who knows one may fetch."""
    server.offers["net.onnx"] = Offer(b"", redirect=server.address("stored.onnx?signature=s3cret"))
    server.offers["stored.onnx?signature=s3cret"] = Offer(CONTENT, length=False)
    with pytest.raises(ModelError, match=r"/net\.onnx gives more than the 5 bytes") as raised:
        fetch(known(tmp_path, server, bytes=5), cache)
    assert "s3cret" not in str(raised.value)


def test_an_address_that_nobody_can_ask(server: ModelServer, cache: ModelCache, tmp_path: Path) -> None:
    bell = "http://127.0.0.1/net.onnx?version=\a"
    with pytest.raises(
        ModelError, match="is no address that can be asked, or leads to one: Invalid non-printable ASCII character"
    ):
        fetch(known(tmp_path, server, address=bell), cache)
    server.offers["net.onnx"] = Offer(b"", redirect="https://models..example/net.onnx")
    with pytest.raises(ModelError, match=r"is no address that can be asked, or leads to one: .*label"):
        fetch(known(tmp_path, server), cache)


def test_two_processes_fetch_once(server: ModelServer, tmp_path: Path) -> None:
    server.offers["net.onnx"] = Offer(CONTENT, seconds=3.0)
    own = catalog_file(tmp_path, server)
    code = (
        "import sys; from pipeline.models.catalog import load_catalog; from pipeline.models.fetching import fetcher; "
        "print(fetcher().ready(load_catalog(sys.argv[1]).find('net')).paths[0].stat().st_size)"
    )
    command = [sys.executable, "-c", code, str(own)]
    told = {**environment(), "SIGHTLINE_MODELS": str(tmp_path / "models")}
    both = [
        subprocess.Popen(command, env=told, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    ends = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], ends
    assert [out for out, _ in ends] == [f"{len(CONTENT)}\n"] * 2
    assert (tmp_path / "models" / "net" / "net.onnx").read_bytes() == CONTENT
    assert len(server.asked) == 1
    assert sum("another process is fetching net" in err for _, err in ends) == 1


def test_a_folder_where_nothing_can_be_written(server: ModelServer, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file where the folder should be")
    with pytest.raises(ModelError, match=r"cannot be kept in .*models/net: .*; set SIGHTLINE_MODELS to a folder"):
        fetch(known(tmp_path, server), ModelCache(tmp_path / "models"))
    assert server.asked == []


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own that holds 2 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount("-t", "tmpfs", "-o", "size=2m", "tmpfs", place)
    yield place
    subprocess.run(["umount", place], check=True)


def mount(*words: object) -> None:
    done = subprocess.run(["mount", *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode:
        if os.environ.get("SIGHTLINE_REQUIRE_ALL") == "1":
            pytest.fail(f"a small file system cannot be mounted: {done.stderr}")
        pytest.skip(f"a small file system cannot be mounted: {done.stderr.strip()}")


def test_a_read_only_cache_is_used_and_not_written(server: ModelServer, disk: Path, tmp_path: Path) -> None:
    catalog = known(tmp_path, server)
    place = disk / "net" / "net.onnx"
    place.parent.mkdir()
    place.write_bytes(CONTENT)
    mount("-o", "remount,ro", disk)
    assert fetch(catalog, ModelCache(disk)).paths == (place,)
    mount("-o", "remount,rw", disk)
    place.unlink()
    mount("-o", "remount,ro", disk)
    with pytest.raises(ModelError, match=r"cannot be kept in .*: Read-only file system; set SIGHTLINE_MODELS"):
        fetch(catalog, ModelCache(disk))
    assert server.asked == []


def test_a_disk_without_room(server: ModelServer, disk: Path, tmp_path: Path) -> None:
    large = np.random.default_rng(5).bytes(3 << 20)
    sha256 = hashlib.sha256(large).hexdigest()
    server.offers["net.onnx"] = Offer(large)
    catalog = known(tmp_path, server, sha256=sha256, bytes=None)
    with pytest.raises(
        ModelError, match=r"has room for 2\.1 MB, but 3\.1 MB are needed; make room, or set SIGHTLINE_MOD"
    ):
        fetch(catalog, ModelCache(disk))
    assert left_in(ModelCache(disk)) == set()
    server.offers["net.onnx"].length = False  # how much will come is not told
    with pytest.raises(ModelError, match=r"the disk of .* is full; what came is kept"):
        fetch(catalog, ModelCache(disk))
    mount("-o", "remount,size=8m", disk)
    assert fetch(catalog, ModelCache(disk)).paths[0].read_bytes() == large
    assert server.ranges("net.onnx")[-1] is not None


def test_all_files_of_a_model_are_there_or_it_is_not(server: ModelServer, cache: ModelCache, tmp_path: Path) -> None:
    server.offers["net.bin"] = Offer(OTHER, status=[404])
    files = [{"address": server.address(name)} for name in ("net.onnx", "net.bin")]
    path = tmp_path / "own.yaml"
    model = {"task": "detect", "backend": "openvino", "files": files}
    path.write_text(yaml.safe_dump({"models": {"net": model}}))
    with pytest.raises(ModelError, match=r"net\.bin cannot be fetched"):
        fetch(load_catalog(path), cache)
    assert [path.read_bytes() for path in fetch(load_catalog(path), cache).paths] == [CONTENT, OTHER]
    assert server.ranges("net.onnx") == [None]
