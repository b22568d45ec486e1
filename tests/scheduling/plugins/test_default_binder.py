"""DefaultBinder: the Binding is the handle's to write, and an API server that refuses it fails the attempt."""

from edged.errors import PeerError
from edged.scheduling.core.cycle import OfflineHandle, run_now
from edged.scheduling.core.framework import CycleState
from edged.scheduling.core.snapshot import Snapshot
from edged.scheduling.plugins.default_binder import DefaultBinder
from tests.scheduling.makers import pod_info


class Handle(OfflineHandle):
    def __init__(self, error=None):
        super().__init__(Snapshot())
        self.error, self.bound = error, []

    async def bind(self, pod, node_name):
        if self.error:
            raise self.error
        self.bound.append((str(pod.key), node_name))


def test_it_writes_the_binding():
    handle = Handle()
    assert run_now(DefaultBinder({}, handle).bind(CycleState(), pod_info(), "n")) is None
    assert handle.bound == [("default/p", "n")]


def test_a_refused_binding_is_an_error_with_the_servers_words():
    binder = DefaultBinder({}, Handle(PeerError("409: already assigned")))
    status = run_now(binder.bind(CycleState(), pod_info(), "n"))
    assert (status.code, status.reasons) == (1, ("409: already assigned",))
