"""References, as module URLs and as people write images."""

import pytest

from edged.errors import ConfigError
from edged.registry.reference import Reference, parse_image, parse_url

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("url", "reference"),
    [
        ("registry://ghcr.io/team/policy:v1", Reference("ghcr.io", "team/policy", "v1")),
        ("registry://ghcr.io/policy", Reference("ghcr.io", "policy", "latest")),
        ("registry://localhost:5000/a/b/c:x", Reference("localhost:5000", "a/b/c", "x")),
        (f"registry://ghcr.io/p@{DIGEST}", Reference("ghcr.io", "p", "latest", DIGEST)),
        (f"registry://ghcr.io/p:v2@{DIGEST}", Reference("ghcr.io", "p", "v2", DIGEST)),
        ("registry://[::1]:5000/p:1", Reference("[::1]:5000", "p", "1")),
    ],
)
def test_urls(url, reference):
    assert parse_url(url) == reference


@pytest.mark.parametrize(
    ("image", "reference"),
    [
        ("nginx", Reference("docker.io", "library/nginx")),
        ("nginx:1.27", Reference("docker.io", "library/nginx", "1.27")),
        ("team/app", Reference("docker.io", "team/app")),
        ("index.docker.io/library/nginx", Reference("docker.io", "library/nginx")),
        ("localhost/app", Reference("localhost", "app")),
        (f"ghcr.io/a/b@{DIGEST}", Reference("ghcr.io", "a/b", "latest", DIGEST)),
    ],
)
def test_images(image, reference):
    assert parse_image(image) == reference
    assert parse_image("nginx").api_host == "registry-1.docker.io"


@pytest.mark.parametrize(
    "bad",
    ["", "A", "a//b", "a:", "a:!", "a@sha256:1", "a@md5:00", "ghcr.io/", "ghcr.io/A", "-/a", "a b", "a\n", "../a"],
)
def test_bad_ones(bad):
    with pytest.raises(ConfigError):
        parse_image(bad)
    with pytest.raises(ConfigError):
        parse_url(f"registry://ghcr.io/{bad}" if "ghcr.io" not in bad else f"registry://{bad}")


def test_versions():
    assert str(parse_url("registry://h/p:1")) == "h/p:1"
    pinned = parse_url("registry://h/p:1").at(DIGEST)
    assert (str(pinned), pinned.version, pinned.is_pinned) == (f"h/p@{DIGEST}", DIGEST, True)
