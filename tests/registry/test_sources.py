"""The sources file, and the environment's proxies."""

import os
import ssl
import time

import pytest

from edged.errors import ConfigError
from edged.registry.sources import load, parse
from edged.tls import certificates


@pytest.fixture
def ca(tmp_path):
    return certificates.ensure(tmp_path / "ca", ["127.0.0.1"], time.time()).bundle().decode()


def test_a_whole_file(tmp_path, ca):
    der = tmp_path / "ca.der"
    der.write_bytes(ssl.PEM_cert_to_DER_cert(ca))
    path = tmp_path / "sources.yml"
    indented = ca.replace("\n", "\n        ")
    path.write_text(
        f"insecure_sources: [a:5000]\nsource_authorities:\n  b:\n    - type: Data\n      data: |\n        {indented}\n"
        f"    - {{type: Path, path: {der}}}\nproxies: {{https_proxy: 'http://p:1', no_proxy: 'x, .y.z'}}\n"
    )
    found = load(str(path), {})
    assert found.insecure == {"a:5000"} and len(found.authorities["b"]) == 2
    assert found.proxy("https", "h:443") == "http://p:1" and found.proxy("http", "h") == ""
    assert found.proxy("https", "x") == found.proxy("https", "q.y.z:5000") == ""


def test_a_fifo_is_not_waited_for(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(ConfigError, match="not a regular file"):
        load(str(fifo), {})
    with pytest.raises(ConfigError, match=r"source_authorities\.h\[0\].*not a regular file"):
        parse({"source_authorities": {"h": [{"type": "Path", "path": str(fifo)}]}}, {})


def test_the_environment_comes_first_and_upper_case_before_lower():
    environment = {"HTTPS_PROXY": "http://e:1", "https_proxy": "http://l:1"}
    found = parse({"proxies": {"https_proxy": "http://file:1"}}, environment)
    assert found.https_proxy == "http://e:1"
    assert parse(None, {"no_proxy": "*", "HTTP_PROXY": "http://e:1"}).proxy("http", "any") == ""


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "the document"),
        ({"insecure": []}, "unknown key insecure"),
        ({"insecure_sources": "a"}, "insecure_sources"),
        ({"source_authorities": {"h": [{"type": "data", "data": "x"}]}}, "source_authorities.h[0]"),
        ({"source_authorities": {"h": [{"type": "Data", "data": "x"}]}}, "neither PEM nor DER"),
        ({"source_authorities": {"h": [{"type": "Path", "path": "/nowhere"}]}}, "No such file"),
        ({"proxies": {"ftp": "x"}}, "unknown key ftp"),
        ({"proxies": {"http_proxy": "p:1"}}, "http_proxy"),
    ],
)
def test_errors_name_the_place(document, said):
    with pytest.raises(ConfigError) as caught:
        parse(document, {})
    assert said in str(caught.value)


def test_a_file_that_is_none(tmp_path):
    path = tmp_path / "s.yml"
    path.write_text("a: [")
    with pytest.raises(ConfigError, match="not valid YAML"):
        load(str(path), {})
    with pytest.raises(ConfigError, match="No such file"):
        load(str(tmp_path / "absent"), {})
