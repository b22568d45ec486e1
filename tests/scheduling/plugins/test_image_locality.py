"""ImageLocality: images that are there already."""

from tests.scheduling.makers import node
from tests.scheduling.plugins.support import scores

MIB = 1024 * 1024


def test_image_locality():
    image = "registry.local/app:1"
    nodes = [node("has", images={image: 600 * MIB}), node("not"), node("out", unschedulable=True)]
    raw, _ = scores("ImageLocality", nodes, image=image)
    assert raw == {"has": 100 * (200 - 23) // (1000 - 23), "not": 0}
