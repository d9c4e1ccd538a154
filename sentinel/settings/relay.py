"""What only the witness has: the door by which tenants' sentinels hand it their pages."""

from __future__ import annotations

from pathlib import Path

from sentinel.settings.section import Section
from sentinel.settings.words import Address, FilePath, Listen, Rate, Text


class Relay(Section):
    """Where the witness listens for tenants, and what it takes from each of them."""

    listen: Listen = Address("0.0.0.0", 8443)  # noqa: S104 - the tenants' pods come from outside
    """TLS only: what comes in carries a token."""

    cert: FilePath = Path("/etc/sentinel/tls/tls.crt")
    """The serving certificate, read again whenever it changes."""

    key: FilePath = Path("/etc/sentinel/tls/tls.key")
    """Its key, likewise."""

    audience: Text = "tenant-sentinel"
    """Of the tokens that are taken. One of its own, so that a token stolen here opens nothing at the
    API server."""

    rate: Rate = 10.0
    """Alerts per second of one tenant. A sentinel repeats what stands twice a minute, so ten are three
    hundred breaches at once; whoever sends more is flooding, and only itself has to wait."""

    burst: Rate = 100.0
    """Alerts of one tenant at once, before the rate counts."""
