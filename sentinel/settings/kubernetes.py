"""How we reach the API server when we are not in a pod."""

from __future__ import annotations

from sentinel.settings.section import Section
from sentinel.settings.words import FilePath, Text


class Kubernetes(Section):
    """Both empty in a pod, where host, CA and token are mounted."""

    kubeconfig: FilePath | None = None
    """`None`: in the cluster, else `$KUBECONFIG`, else `~/.kube/config`, as kubectl does."""

    context: Text | None = None
    """`None`: the current one."""
