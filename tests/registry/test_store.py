"""The local store: Kubewarden's layout, whole files, `latest`."""

import hashlib

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


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "modules").write_text("a file")
    with pytest.raises(ConfigError, match="cannot keep"):
        Store(tmp_path / "modules").keep("https://h/p.wasm", b"x")


def test_what_moves():
    assert is_moving("registry://h/p") and is_moving("registry://h/p:latest")
    assert not is_moving("registry://h/p:v1") and not is_moving(f"registry://h/p@{DIGEST}")
    assert not is_moving("https://h/latest")
