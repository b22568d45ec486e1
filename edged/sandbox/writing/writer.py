"""create, update, patch, delete: the verbs that change objects, each in a file of its own.

Called by api.py and subresources.py. A write decodes its body, sets defaults, asks admission, validates and stores, in
that order. It waits only for admission webhooks.
"""

from __future__ import annotations

from edged.sandbox.admission.webhook_admission import Admission
from edged.sandbox.cluster import Cluster
from edged.sandbox.custom.converter import Converter
from edged.sandbox.writing.creates import Creator
from edged.sandbox.writing.deletes import Deleter
from edged.sandbox.writing.lifecycle import Lifecycle
from edged.sandbox.writing.patch_requests import Patcher
from edged.sandbox.writing.updates import Updater
from edged.sandbox.writing.write_steps import WriteSteps


class Writer:
    """The write half of the API: who answers which verb."""

    def __init__(self, cluster: Cluster, admission: Admission, lifecycle: Lifecycle, converter: Converter) -> None:
        self.admission = admission
        self.lifecycle = lifecycle
        steps = WriteSteps(cluster, admission, lifecycle, converter)
        creator, deleter = Creator(steps), Deleter(steps)
        updater = Updater(steps, creator)
        self.create = creator.create
        self.update = updater.update
        self.change = updater.change
        self.patch = Patcher(steps, creator, updater).patch
        self.delete = deleter.delete
        self.delete_collection = deleter.delete_collection
