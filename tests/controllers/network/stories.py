"""What happens to a virtual network, for any API server. Each story ends with the judge's verdict."""

from __future__ import annotations

from tests.controllers.network.judge import Verdict
from tests.controllers.network.scene import Scene


def crowd(scene: Scene) -> Verdict:
    """More attachments than addresses, two daemons at once, each killed once on the way; addresses are given back and
    taken again; at last all go."""
    scene.daemon("one")
    scene.daemon("two")
    scene.subnet("s", "10.0.0.16/28", 7)
    for number in range(20):
        scene.attach(f"a{number}", "s")
        if number == 10:
            scene.kill("one")
    scene.daemon("one")
    judge = scene.comes_to(13)
    had = [
        name.name for name, obj in judge.objects.items()
        if name.kind == "NetworkAttachment" and name.namespace == scene.namespace and obj.get("status", {}).get("ipv4")
    ]  # fmt: skip
    for name in had[:5]:
        scene.remove("networkattachments", name)
        scene.attach(name, "s")
    scene.kill("two")
    scene.daemon("two")
    scene.comes_to(13)
    for number in range(20):
        scene.remove("networkattachments", f"a{number}")
    return scene.comes_to(0).verdict
