"""What a row is given: a folder, daemons in a cgroup, an API server, how long things take in this form."""

from __future__ import annotations

import shutil
import ssl
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from tests.cluster.build import BuildError, available
from tests.cluster.cluster import Cluster
from tests.cluster.edged import policy
from tests.cluster.scheduling import Daemon
from tests.fire.rows import NotRun, Tally
from tests.fire.sampling import Sampler, log_texts
from tests.fire.unit import MemoryGroup, unit_limits

NO_PRIVILEGED = policy("no-privileged", "pod-privileged")
INTERNAL_ERROR = 'msg="internal error"'
NO_CHECK_TIME = ssl.VerifyFlags(0x200000)
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL."""
Number = TypeVar("Number", int, float)


class FireDaemon(Daemon):
    """edged as its unit runs it: in a memory cgroup, with the unit's limit of files and environment.

    `launcher`: words before the command; `environment`: further variables; `toml`: the end of the configuration;
    `tables`: keys of its tables that are other than usual. `authority`: whom clients trust, if it is not edged's own;
    `any_time`: they do not look at their clock.
    """

    def __init__(
        self, *, kubeconfig: Path | None = None, policies: Sequence[Mapping[str, Any]] = (NO_PRIVILEGED,),
        toml: str = "", launcher: Sequence[str] = (), environment: Mapping[str, str] | None = None,
        tables: Mapping[str, Mapping[str, Any]] | None = None, authority: Path | None = None, any_time: bool = False,
        **settings: Any,
    ) -> None:
        self._more_tables = dict(tables or {})
        self._authority, self._any_time = authority, any_time
        self._launcher_words = list(launcher)
        self._more_environment = dict(environment or {})
        self.limits = unit_limits()
        self.group = MemoryGroup(self.limits.memory)
        settings.setdefault("register", "none" if kubeconfig is None else "dynamic")
        super().__init__(kubeconfig, toml, policies=policies, **settings)
        self.sampler = Sampler(self.pid, self.health_port)

    def pid(self) -> int | None:
        """Of the daemon while it runs."""
        return self.process.pid if self.process is not None and self.process.running else None

    def __exit__(self, *_: object) -> None:
        self.kill()
        self.group.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _tables(self) -> dict[str, dict[str, Any]]:
        tables = super()._tables()
        for name, keys in self._more_tables.items():
            tables[name] = {**tables.get(name, {}), **keys}
        return tables

    def _client_context(self) -> ssl.SSLContext:
        bundle = self._authority or self.state_dir / "tls" / "ca-bundle.crt"
        context = ssl.create_default_context(cafile=str(bundle))
        if self._any_time:
            context.verify_flags |= NO_CHECK_TIME
        return context

    def _command(self) -> list[str]:
        return [*self.group.launcher(self.limits.files), *self._launcher_words, *super()._command()]

    def _environment(self) -> dict[str, str]:
        return super()._environment() | dict(self.limits.environment) | self._more_environment


class Context:
    """For one row. `quick`: the short form, where `scaled` gives the smaller figure."""

    def __init__(self, tally: Tally, *, quick: bool, seconds: float | None = None) -> None:
        self.tally, self.quick, self.seconds = tally, quick, seconds
        self.folder = Path(tempfile.mkdtemp(prefix="edged-fire-"))

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def scaled(self, whole: Number, quick: Number) -> Number:
        """How much of something: in the whole form, and in the short one."""
        return quick if self.quick else whole

    @contextmanager
    def edged(self, *, children_killed: bool = False, start_s: float = 60.0, **settings: Any) -> Iterator[FireDaemon]:
        """A daemon that serves. When the block ends it has to be alive still, and without an internal error. The kernel
        may not have killed for want of memory in its cgroup, but for its children if that is part of the load."""
        with self.unstarted(children_killed=children_killed, **settings) as daemon:
            daemon.start(seconds=start_s)
            yield daemon
            if daemon.pid() is None and daemon.process is not None:
                self.tally.add_wrong(f"edged ended with {daemon.process.exit_code}: {daemon.log[-1500:]}")

    @contextmanager
    def unstarted(self, *, children_killed: bool = False, **settings: Any) -> Iterator[FireDaemon]:
        """The same, for a row that starts it itself and that may stop it."""
        daemon = FireDaemon(**settings)
        try:
            with daemon.sampler:
                yield daemon
        except BaseException:
            print(daemon.log[-8000:], file=sys.stderr, flush=True)
            raise
        finally:
            self.tally.peak(daemon.sampler.peak_mib)
            if (kills := daemon.group.kills()) and not children_killed:
                self.tally.add_wrong(f"the kernel killed {kills} times for want of memory")
            for line in log_texts(daemon.log_file, INTERNAL_ERROR):
                self.tally.add_wrong(line)
            daemon.__exit__()

    @contextmanager
    def cluster(self, *, started: bool = True, **settings: Any) -> Iterator[Cluster]:
        """A real API server of this row alone: it may be killed. Raises NotRun where its programs cannot be had. Not
        `started`: the row does it."""
        programs = ("etcd", "kube-apiserver", "kubectl")
        if not (possible := available(programs)):
            raise NotRun(possible.reason)
        try:
            cluster = Cluster(**settings)
        except BuildError as error:
            raise NotRun(str(error)) from error
        with ExitStack() as stack:
            if started:
                stack.enter_context(cluster)
            else:
                stack.callback(cluster.stop)
            yield cluster
