"""What we serve and where: metrics and health for the cluster, the console for whoever is in the pod."""

from __future__ import annotations

from sentinel.settings.section import Section
from sentinel.settings.words import Address, Flag, Listen


class Web(Section):
    """The two listeners."""

    listen: Listen = Address("0.0.0.0", 8080)  # noqa: S104 - the kubelet and Prometheus come from outside
    """Metrics and health. Nothing on it tells one tenant what another may not know."""

    console: Listen = Address("127.0.0.1", 8081)
    """Breaches and standings. Loopback only: `kubectl port-forward` is the door, and it is audited."""

    readyz_always_200: Flag = False
    """For clusters in which an unready pod blocks a rollout; the body still says what is missing."""
