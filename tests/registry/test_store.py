"""The local store: Kubewarden's layout, whole files, `latest`."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from edged.errors import ConfigError
from edged.registry.store import Store, is_moving

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("registry://reg.example:5000/a/b/policy:v1", "registry/reg.example:5000/a/b/policy:v1"),
        ("registry://reg.example/policy", "registry/reg.example/policy:latest"),
        (f"registry://reg.example/policy@{DIGEST}", f"registry/reg.example/policy@{DIGEST}"),
        ("https://example.com/x/p.wasm", "https/example.com/x/p.wasm"),
        ("https://user:secret@example.com/p.wasm", "https/example.com/p.wasm"),
    ],
)
def test_layout(tmp_path, url, path):
    assert Store(tmp_path).path(url) == tmp_path / path


@pytest.mark.parametrize(
    "url", ["https://example.com", "https://example.com/../../etc/x", "ftp://h/x", "https://h/a\0b", "registry://h"]
)
def test_urls_that_name_nothing(tmp_path, url):
    with pytest.raises(ConfigError):
        Store(tmp_path).path(url)


def test_queries_are_told_apart(tmp_path):
    store = Store(tmp_path)
    assert len({store.path(f"https://h/p.wasm{query}") for query in ("", "?v=1", "?v=2")}) == 3


def test_keep_find_list_remove(tmp_path):
    store = Store(tmp_path / "modules")
    urls = ["registry://h:5000/a/p:v1", "https://h/p.wasm"]
    assert store.find(urls[0]) is None and list(store.items()) == []
    for url in urls:
        path = store.keep(url, b"\0asm" + url.encode())
        assert path.stat().st_mode & 0o777 == 0o600
    assert [(item.url, item.digest()) for item in store.items()] == [
        (url, hashlib.sha256(b"\0asm" + url.encode()).hexdigest()) for url in urls
    ]
    assert store.remove(urls[0]) and not store.remove(urls[0])
    assert not (tmp_path / "modules" / "registry" / "h:5000").exists() and store.find(urls[1])


def test_what_is_downloaded_takes_its_place_whole_or_not_at_all(tmp_path):
    store, url = Store(tmp_path / "modules"), "registry://h:5000/a/p:v1"
    with pytest.raises(RuntimeError), store.incoming(url) as download:
        download.write(b"\0asm half")
        raise RuntimeError
    assert store.find(url) is None and not [path for path in tmp_path.rglob("*") if path.is_file()]
    with store.incoming(url) as download:
        download.write(b"from a host that failed")
        download.begin()
        for chunk in (b"\0", b"as", b"m", b" whole"):
            download.write(chunk)
        download.settle()
        assert download.is_module and download.size == 10
        assert download.digest == "sha256:" + hashlib.sha256(b"\0asm whole").hexdigest()
        assert store.find(url) is None
    assert store.path(url).read_bytes() == b"\0asm whole"
    assert store.path(url).stat().st_mode & 0o777 == 0o600
    with pytest.raises(RuntimeError), store.incoming(url) as download:
        download.write(b"\0asm other")
        raise RuntimeError
    assert store.path(url).read_bytes() == b"\0asm whole"


WHOLE = b"\0asm\1\0\0\0" + b"\0\4\3abc"


def damaged(path: Path, how: str) -> None:
    content = path.read_bytes()
    changed = {"cut": content[:-3], "flipped": content[:-1] + b"X", "empty": b"", "another": b"\0asm\1\0\0\0"}[how]
    path.write_bytes(changed)


@pytest.mark.parametrize("how", ["cut", "flipped", "empty", "another"])
def test_what_is_not_what_was_stored_is_removed(tmp_path, how):
    store, url = Store(tmp_path / "modules"), "registry://h:5000/a/p:v1"
    path = store.keep(url, WHOLE)
    assert store.is_known(path) and store.examine(path) == ""
    damaged(path, how)
    assert not store.is_known(path)
    later = Store(tmp_path / "modules")
    assert not later.is_known(path)
    assert later.examine(path) == "its digest is not the one with which it was stored"
    assert later.find(url) is None and list(later.items()) == []
    later.keep(url, WHOLE + WHOLE[8:])
    assert Store(tmp_path / "modules").examine(path) == ""


def test_what_another_program_stored_is_taken_if_it_is_whole_and_watched_from_then_on(tmp_path):
    """kwctl, or a person with cp."""
    store = Store(tmp_path)
    good, bad = (store.path(f"registry://h/p:{tag}") for tag in ("good", "bad"))
    good.parent.mkdir(parents=True)
    good.write_bytes(WHOLE)
    bad.write_bytes(WHOLE[:-2])
    assert store.examine(good) == "" and store.is_known(good)
    assert store.examine(bad) == "it is not a whole module" and not bad.exists()
    damaged(good, "flipped")
    assert "digest" in Store(tmp_path).examine(good) and not good.exists()


def test_what_cannot_be_recorded_or_removed_is_still_judged(tmp_path, monkeypatch):
    """A disk that is read-only by now."""
    store = Store(tmp_path)
    good = store.keep("registry://h/p:v1", WHOLE)

    def refuse(*_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("edged.registry.store.locked", refuse)
    monkeypatch.setattr("edged.registry.store.write_atomically", refuse)
    assert Store(tmp_path).examine(good) == ""
    damaged(good, "flipped")
    assert "digest" in Store(tmp_path).examine(good) and good.exists()


def test_a_power_cut_between_record_and_file_costs_nothing(tmp_path, monkeypatch):
    store, url = Store(tmp_path), "registry://h/p:latest"
    path = store.keep(url, WHOLE)

    def cut(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("edged.registry.store.os.replace", cut)
        store.keep(url, WHOLE + WHOLE[8:])
    assert Store(tmp_path).examine(path) == "" and path.read_bytes() == WHOLE
    store.keep(url, WHOLE + WHOLE[8:])
    assert Store(tmp_path).examine(path) == "" and path.read_bytes() == WHOLE + WHOLE[8:]


def test_many_writers_of_one_module_leave_a_whole_one(tmp_path):
    """Threads and processes that store other bytes under one name, and readers beside them."""
    url = "registry://h/p:latest"
    contents = [WHOLE + b"\0\4\3" + bytes([n]) * 3 + (b"\0\xff\xff\3\1" + bytes(65534)) * n for n in range(1, 5)]
    folder = tmp_path / "modules"
    program = (
        "import sys; from pathlib import Path; from edged.registry.store import Store\n"
        "data = sys.stdin.buffer.read()\n"
        f"for _ in range(30): Store(Path({str(folder)!r})).keep({url!r}, data)"
    )
    children = [subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE) for _ in contents]
    for child, content in zip(children, contents, strict=True):
        child.stdin.write(content)
        child.stdin.close()
    while any(child.poll() is None for child in children):
        store = Store(folder)
        path = store.find(url)
        if path is not None:
            assert store.examine(path) == ""
    assert [child.wait() for child in children] == [0] * 4
    store = Store(folder)
    path = store.find(url)
    assert store.examine(path) == "" and path.read_bytes() in contents
    assert [entry.name for entry in path.parent.iterdir()] == [path.name], "and nothing unfinished"


@pytest.mark.parametrize(
    "url",
    ["https://h/" + "a" * 4096, "https://h/" + "a/" * 2048 + "x", "https://" + "a" * 300 + "/x",
     "https://h/x?" + "a" * 9, "registry://h/" + "a" * 4096, "registry://h/" + "a/" * 2048 + "x", "https://[",
     "https://../x"],
)  # fmt: skip
def test_long_and_broken_addresses(tmp_path, url):
    try:
        assert Store(tmp_path).find(url) is None
        assert len(url) < 30
    except ConfigError as error:
        assert len(str(error)) < 500


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "modules").write_text("a file")
    with pytest.raises(ConfigError, match="cannot keep"):
        Store(tmp_path / "modules").keep("https://h/p.wasm", b"x")


def test_what_moves():
    assert is_moving("registry://h/p") and is_moving("registry://h/p:latest")
    assert not is_moving("registry://h/p:v1") and not is_moving(f"registry://h/p@{DIGEST}")
    assert not is_moving("https://h/latest")


def test_what_a_store_has_seen_has_a_bound(tmp_path, monkeypatch):
    monkeypatch.setattr("edged.registry.store._MOST_SEEN", 3)
    store = Store(tmp_path)
    paths = [store.keep(f"https://h/p{number}.wasm", b"\0asm%d" % number) for number in range(5)]
    assert [store.is_known(path) for path in paths] == [False, False, True, True, True]
    assert store.examine(paths[0]) == "" and store.is_known(paths[0])
    assert [store.is_known(path) for path in paths] == [True, False, False, True, True]
