"""The scheduling framework: extension points, CycleState, what plugins are and what they may ask. Pure.

With plugin_status.py and cluster_events.py this is the vocabulary that plugins, queue, cycle and loop share, in
upstream's names (kube-scheduler 1.37) and snake case. It holds no behaviour of a cycle (cycle.py) and no plugin
(plugins/, and the Wasm plugins' own file).

A plugin is a subclass of `Plugin`. It lists the extension points it implements in `points` and defines a
method of the same name for each. Native plugins' methods are plain functions; a plugin with `awaits = True`
(guests, and whoever talks to the API server) defines `async def` for every point in `AWAITED` that it lists.
Success is `None` wherever a Status is asked for: nothing is built on the hot path.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from edged.errors import ConfigError
from edged.kube.values.names import NamespacedName
from edged.scheduling.core.cluster_events import ALL_EVENTS, EventRegistration
from edged.scheduling.core.plugin_status import Status

if TYPE_CHECKING:
    from edged.scheduling.core.preemption import Candidate, DisruptionBudget, Trial
    from edged.scheduling.core.snapshot import Snapshot
    from edged.scheduling.objects.nodes import NodeInfo
    from edged.scheduling.objects.other_objects import Objects
    from edged.scheduling.objects.pods import PodInfo

MIN_NODE_SCORE = 0
MAX_NODE_SCORE = 100
MAX_PERMIT_TIMEOUT_S = 15 * 60.0

# Extension points in the order of a Pod's life. The names are also the method names.
POINTS = (
    "pre_enqueue", "sort_key", "pre_filter", "filter", "post_filter", "pre_score", "score", "normalize_score",
    "reserve", "permit", "pre_bind", "bind", "post_bind",
)  # fmt: skip
# Methods that may be coroutine functions (when the plugin says `awaits`). `add_pod`/`remove_pod` belong to
# pre_filter, `unreserve` to reserve, `end_cycle` to any.
AWAITED = frozenset(POINTS[2:]) | {"add_pod", "remove_pod", "unreserve", "end_cycle"}


class Spent:
    """What a Pod's plugins have taken of its cycle, all those together that compute beside the loop: guests."""

    __slots__ = ("cpu_s", "wall_s")

    def __init__(self) -> None:
        self.cpu_s = self.wall_s = 0.0


class CycleState:
    """What plugins remember between the points of one Pod's cycle.

    `data` is theirs (key: anything starting with the plugin's name). Values that `add_pod`/`remove_pod`
    change must have a `clone()`; all others are shared between clones. `skip_filter` and `skip_score` hold
    the names of plugins whose PreFilter or PreScore answered Skip. `what_ifs` is there from PostFilter on.
    `spent` is one for the cycle and all clones.
    """

    __slots__ = ("data", "skip_filter", "skip_score", "spent", "what_ifs")

    def __init__(self) -> None:
        self.data: dict[str, Any] = {}
        self.skip_filter: set[str] = set()
        self.skip_score: set[str] = set()
        self.what_ifs: WhatIfs | None = None
        self.spent = Spent()

    def clone(self) -> CycleState:
        """A state for "what if": the two-pass filter and preemption."""
        copy = CycleState()
        copy.data = {k: v.clone() if hasattr(v, "clone") else v for k, v in self.data.items()}
        copy.skip_filter = self.skip_filter
        copy.skip_score = self.skip_score
        copy.spent = self.spent
        return copy


# --- plugins ------------------------------------------------------------------------------------------------

POD, NODE, PODS, TIME, UNKNOWN = "pod", "node", "pods", "time", "unknown"
DEPENDENCIES = frozenset({POD, NODE, PODS, TIME, UNKNOWN})


class PostFilterResult(NamedTuple):
    """`override`: write `nominated_node` to the Pod's status ("" clears it); otherwise keep what is there."""

    nominated_node: str = ""
    override: bool = False


class WaitingPod(Protocol):
    """A Pod that Permit plugins hold back (the guests' handle functions look at it)."""

    pod: PodInfo

    def reject(self, plugin: str, message: str) -> None: ...
    def allow(self, plugin: str) -> None: ...


class WhatIfs(Protocol):
    """What PostFilter plugins may try: the nodes of this cycle, why they were turned down, copies of them."""

    @property
    def names(self) -> tuple[str, ...]: ...
    def node(self, name: str) -> NodeInfo | None: ...
    def code(self, name: str) -> int:
        """The code of the verdict on a node of the cycle."""
        ...

    def unschedulable_nodes(self) -> Sequence[NodeInfo]:
        """Those turned down with code 2: other Pods may be in the way."""
        ...

    def trial(self, node: NodeInfo) -> Trial: ...
    def choose(self, count: int) -> int:
        """A random number below `count`."""
        ...


class Preemption(Protocol):
    """What DefaultPreemption asks of the scheduler."""

    def problem(self) -> str:
        """Why nothing may be preempted now; "" when it may."""
        ...

    def running(self, uid: str) -> bool:
        """Victims of this Pod are still being evicted."""
        ...

    def budgets(self) -> Sequence[DisruptionBudget]: ...
    async def ask_extenders(self, pod: PodInfo, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        """The candidates that HTTP extenders accept. Raises EdgedError."""
        ...

    def start(self, pod: PodInfo, candidate: Candidate) -> None:
        """Evict the victims in the background."""
        ...

    async def pause(self) -> None:
        """Let other tasks have their turn."""
        ...


class Handle(Protocol):
    """What a plugin may ask of the scheduler that runs it; given to its constructor or kept by its author."""

    @property
    def snapshot(self) -> Snapshot:
        """The nodes as this cycle sees them. What runs outside a cycle asks `node_labels`."""
        ...

    def node_labels(self, node_name: str) -> Mapping[str, str] | None:
        """Of the Node object as it is now, whatever the last cycle saw; None where it is gone."""
        ...

    @property
    def preemption(self) -> Preemption: ...
    @property
    def objects(self) -> Objects:
        """Objects of the kinds that plugins need besides Pods and Nodes."""
        ...

    async def patch(self, kind: str, key: NamespacedName, body: dict[str, object]) -> dict[str, Any]:
        """Merge-patch a PersistentVolume or PersistentVolumeClaim; the new object. Raises PeerError."""
        ...

    async def settle(self, pod: PodInfo, done: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until `done`, which is asked after each change of an object; False when it took too long.

        Raises what `done` raises, and CycleError when the Pod is gone.
        """
        ...

    async def bind(self, pod: PodInfo, node_name: str) -> None:
        """POST the Binding. Raises PeerError."""
        ...

    def waiting_pod(self, uid: str) -> WaitingPod | None: ...
    def record_event(
        self,
        regarding: Mapping[str, str],
        *,
        type: str,
        reason: str,
        action: str,
        note: str,
        related: Mapping[str, str] | None = None,
        controller: str = "",
    ) -> None:
        """Queue an events.k8s.io/v1 Event; never blocks, failures to send are ignored.

        `regarding`/`related` are object references: {"kind", "apiVersion", "name", "namespace", "uid", ...};
        `controller` is the scheduler's name, "" for the first profile's.
        """
        ...


class Plugin:
    """Base of all plugins; see the file's docstring for `points` and `awaits`.

    `depends_on` says what Filter and Score verdicts depend on, so that they can be reused for identical Pods:
    "pod": the Pod's spec, labels, annotations and namespace (not its name, uid or status);
    "node": the node under evaluation, its own Pods included, and facts that change only with Node objects;
    "pods": Pods anywhere; "time": the clock or the plugin's own memory; "unknown": anything.
    Verdicts are shared between Pods only when nothing but "pod" and "node" is named by every plugin of a
    profile that does not say by `skips` that it leaves the Pod alone. Guests that name more are asked anew for each
    Pod, beside the shared verdicts of the others (`Profile.anew`).

    The methods below are signatures, called only for points listed in `points`; there is no default
    behaviour. `pod` is the Pod to schedule, `node` a NodeInfo of the snapshot; both are read-only.
    """

    name: str
    points: frozenset[str] = frozenset()
    awaits: bool = False
    depends_on: frozenset[str] = frozenset({UNKNOWN})
    # Score plugins whose NormalizeScore maps each score by itself once the maximum over feasible nodes is
    # known: (score, maximum) -> normalized. Then `normalize_score` is not called. None: see `points`.
    normalize_by_max: Callable[[int, int], int] | None = None
    pre_filter_extensions: bool = False
    """`add_pod` and `remove_pod` exist."""
    awaits_at: frozenset[str] = frozenset()
    """The points that have a coroutine function, in a plugin whose other points have plain functions."""
    needs: Callable[[PodInfo], frozenset[str]] | None = None
    """The kinds of objects (other_objects.py) that must be known before this Pod's cycle. Asked in every cycle."""
    wishes: Callable[[PodInfo], frozenset[str]] | None = None
    """The kinds of objects that improve the plugin's score. A cycle goes on without them."""
    pre_binds: Callable[[CycleState, PodInfo, str], bool] | None = None
    """Whether PreBind has anything to do for the Pod on this node. None: always."""
    filter_all: Callable[[CycleState, PodInfo, Sequence[NodeInfo]], Awaitable[Sequence[Status | None]]] | None = None
    """For plugins to which many nodes in one go are cheaper than one after the other: the statuses that `filter` gives
    to each in turn. The list ends with the first that is neither success nor a rejection."""
    score_all: Callable[[CycleState, PodInfo, Sequence[NodeInfo]], Awaitable[Sequence[int] | Status]] | None = None
    """The same for `score`: all scores, or the first Status."""
    begin_anew: Callable[[PodInfo], None] | None = None
    """For plugins that keep a cycle's state where CycleState.clone does not reach it: forget what `add_pod` and
    `remove_pod` have changed for this Pod."""

    def events_to_register(self) -> Iterable[EventRegistration]:
        """Which events may make a Pod schedulable that this plugin rejected."""
        return ALL_EVENTS

    if TYPE_CHECKING:
        # Any: for a plugin that awaits, each of these is `async` and gives the same value.
        def pre_enqueue(self, pod: PodInfo) -> Status | None: ...

        def sort_key(self, pod: PodInfo, timestamp: float) -> Any:
            """QueueSort: smaller keys are scheduled first."""

        def pre_filter(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Any:
            """-> Status | None, or (frozenset of node names | None, Status | None) to narrow the nodes."""

        def add_pod(self, state: CycleState, pod: PodInfo, added: PodInfo, node: NodeInfo) -> Any:
            """-> Status | None. `added` was put on `node` for a "what if"."""

        def remove_pod(self, state: CycleState, pod: PodInfo, removed: PodInfo, node: NodeInfo) -> Any:
            """-> Status | None."""

        def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Any:
            """-> Status | None."""

        def post_filter(self, state: CycleState, pod: PodInfo, statuses: dict[str, Status]) -> Any:
            """-> (PostFilterResult | None, Status | None). `statuses`: node name -> why it was filtered out;
            nodes that were kept out by PreFilter node sets are absent."""

        def pre_score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Any:
            """-> Status | None. `nodes`: the feasible ones."""

        def score(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Any:
            """-> int, or a Status when scoring failed."""

        def normalize_score(
            self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo], scores: list[int]
        ) -> Any:
            """-> Status | None. `scores` is parallel to `nodes` and changed in place."""

        def reserve(self, state: CycleState, pod: PodInfo, node_name: str) -> Any:
            """-> Status | None."""

        def unreserve(self, state: CycleState, pod: PodInfo, node_name: str) -> Any:
            """Undoes reserve; also called when reserve was not, or failed. Never fails."""

        def permit(self, state: CycleState, pod: PodInfo, node_name: str) -> Any:
            """-> (Status | None, timeout in seconds); the timeout counts with code Wait only."""

        def pre_bind(self, state: CycleState, pod: PodInfo, node_name: str) -> Any:
            """-> Status | None."""

        def bind(self, state: CycleState, pod: PodInfo, node_name: str) -> Any:
            """-> Status | None; Skip: the next plugin tries."""

        def post_bind(self, state: CycleState, pod: PodInfo, node_name: str) -> Any:
            """-> nothing."""

    # A plugin whose verdicts depend on more than the Pod and the node may define `skips(pod)`. It is true when
    # PreFilter and PreScore (unless `scores_anew` is true) will both answer Skip for this Pod, so that its verdicts can
    # be shared after all. It is asked on the snapshot of the cycle.
    skips: Callable[[PodInfo], bool] | None = None
    # Beside `skips`: true when this plugin scores the Pod by more than the Pod and the node. Then its part of the score
    # is made anew for each Pod, and everything else is shared. Needs `normalize_score`.
    scores_anew: Callable[[PodInfo], bool] | None = None

    # Plugins that hold something per Pod (a guest instance) define `end_cycle(state, pod)`: called exactly
    # once when the Pod's scheduling and binding cycle is over, however it ended, if pre_filter was called.
    end_cycle: Callable[..., Any] | None = None


class ArgumentError(ConfigError):
    """A pluginConfig argument is wrong. `path` is relative to the args: `scoringStrategy.type`."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem


PluginFactory = Callable[[dict[str, Any], "Handle"], Plugin]
"""Builds a plugin from its pluginConfig args; raises ArgumentError."""
