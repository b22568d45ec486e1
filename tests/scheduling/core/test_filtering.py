"""The search for feasible nodes, where some plugins take many in one go."""

import pytest

from edged.scheduling.core.cycle import run_now
from edged.scheduling.core.filtering import CycleError, Search, filter_nodes, split
from edged.scheduling.core.framework import CycleState, Plugin
from edged.scheduling.core.plugin_status import Code, Status
from edged.scheduling.core.profile import Call
from tests.scheduling.makers import parsed_node, pod_info

NODES = [parsed_node(f"n{number}") for number in range(6)]
NO = Status(Code.UNSCHEDULABLE, ("no",))
BROKE = Status(Code.ERROR, ("broke",))


class Told(Plugin):
    """Says what it was told to say, and notes which nodes it was asked about, call by call."""

    awaits = True

    def __init__(self, name, says, *, many=True):
        self.name, self._says, self.asked = name, says, []
        if many:
            self.filter_all = self._filter_all

    async def filter(self, state, pod, node):
        self.asked.append(node.name)
        return self._says.get(node.name)

    async def _filter_all(self, state, pod, nodes):
        self.asked.append([node.name for node in nodes])
        statuses = []
        for node in nodes:
            statuses.append(self._says.get(node.name))
            if statuses[-1] is BROKE:
                break
        return statuses


def call(plugin):
    return Call(plugin.name, plugin.filter, True, plugin, 1)


def test_the_error_of_the_first_node_counts_and_not_the_first_plugins():
    plugins = [Told("a", {"n0": NO, "n4": BROKE}), Told("b", {"n2": BROKE, "n3": BROKE}, many=False), Told("c", {})]
    statuses, problem = run_now(filter_nodes([call(each) for each in plugins], CycleState(), pod_info(), NODES))
    assert [status and status.plugin for status in statuses] == ["a", None]
    assert problem.plugin == "b"
    assert str(problem) == 'running "b" filter plugin: broke'
    assert [each.asked for each in plugins] == [
        [["n0", "n1", "n2", "n3", "n4", "n5"]], ["n1", "n2"], [["n1"]],
    ]  # fmt: skip


def test_plugins_from_the_first_that_takes_many_on_are_asked_in_one_go():
    calls = [call(Told("a", {}, many=False)), call(Told("b", {})), call(Told("c", {}, many=False))]
    assert [[each.name for each in part] for part in split(calls)] == [["a"], ["b", "c"]]
    assert split(calls[:1]) == (calls[:1], [])


async def search_through(search, before):
    for position, status in enumerate(before):
        if search.over:
            break

        async def verdict(status=status):
            if status is BROKE:
                raise CycleError("broke before")
            return status

        await search.look(position, verdict())
    await search.catch_up()


def test_no_node_is_asked_about_that_would_not_have_been_looked_at():
    guest, found = Told("g", {"n0": NO, "n3": NO}), {}
    search = Search([call(guest)], CycleState(), pod_info(), NODES, 2, found.__setitem__)
    run_now(search_through(search, [None, NO, None, None, None, None]))
    # Two are wanted, so two are certain to be looked at; one of them is turned down, so another one is.
    assert guest.asked == [["n0", "n2"], ["n3"], ["n4"]]
    assert search.feasible == [2, 4]
    assert list(found) == [1, 0, 2, 3, 4]


def test_what_broke_on_an_earlier_node_is_told_before_what_broke_before_it():
    guest = Told("g", {"n1": BROKE})
    search = Search([call(guest)], CycleState(), pod_info(), NODES, 5, lambda position, status: None)
    with pytest.raises(CycleError, match='running "g" filter plugin: broke'):
        run_now(search_through(search, [None, None, BROKE]))
    assert search.feasible == [0]
