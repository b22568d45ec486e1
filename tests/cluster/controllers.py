"""What controllers of a real cluster do and nobody does here, since only the API server runs in these tests."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import Any, Self

from tests.cluster.cluster import Cluster

EVERY_S = 0.1


class Controller(ABC):
    """Looks at the cluster again and again, in a thread of its own, while the `with` block lasts."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        api = self._cluster.api()
        try:
            while not self._over.wait(EVERY_S):
                self.look(api)
        finally:
            api.close()

    @abstractmethod
    def look(self, api: Any) -> None:
        """Does what there is to do now."""
