"""[kubernetes] of the configuration file: which API server. Pure; called by edged/config.py."""



from __future__ import annotations

from edged.records import dataclass
from edged.toml.reader import absolute_path, setting, text


@dataclass(frozen=True, slots=True, kw_only=True)
class KubernetesConfig:
    """[kubernetes]: "" for kubeconfig means $KUBECONFIG, ~/.kube/config, then in-cluster."""

    kubeconfig: str = setting(absolute_path(empty=True), "")
    context: str = setting(text(), "")
