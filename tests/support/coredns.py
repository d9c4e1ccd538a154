"""CoreDNS with the zones that a test wants, on loopback."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.parts import find
from tests.support.child import Child
from tests.support.listening import listening
from tests.support.ports import free_port

HEADER = """\
$ORIGIN {zone}.
@ 60 IN SOA ns.dns.{zone}. hostmaster.{zone}. 1 60 60 60 60
@ 60 IN NS ns.dns.{zone}.
"""
KNOWN = {
    "kubernetes.default.svc": "A 10.96.0.1",
    "sentinel.team-a.svc": "SRV 0 100 8080 sentinel.team-a.svc.cluster.local.",
}
"""What every pod may resolve, and a name of our own."""


@contextmanager
def coredns(
    folder: Path,
    names: dict[str, str],
    pointers: dict[str, str] | None = None,
    *,
    transfer: str = "",
    more: str = "",
    zone: str = "cluster.local",
) -> Iterator[int]:
    """Gives its port. `names`: records below the zone; `pointers`: last byte in 10.244.1.0/24 -> name.

    `transfer`: to whom the zone is given away; `more`: further lines of the zone's block.
    """
    port = free_port()
    (folder / "zone").write_text(HEADER.format(zone=zone) + _rows(names))
    (folder / "reverse").write_text(HEADER.format(zone="1.244.10.in-addr.arpa") + _rows(pointers or {}))
    given = f"transfer {{\n to {transfer}\n }}" if transfer else ""
    (folder / "Corefile").write_text(
        f"{zone}:{port} {{\n bind 127.0.0.1\n {more}\n file {folder}/zone\n {given}\n errors\n}}\n"
        f"1.244.10.in-addr.arpa:{port} {{\n bind 127.0.0.1\n file {folder}/reverse\n}}\n"
    )
    server = Child([find("coredns"), "-conf", folder / "Corefile"], folder / "coredns.log")
    try:
        listening(port, server)
        yield port
    finally:
        server.terminate()


def _rows(names: dict[str, str]) -> str:
    rows = (f"{name} 60 IN {record}\n" for name, record in names.items())
    return "".join(rows)
