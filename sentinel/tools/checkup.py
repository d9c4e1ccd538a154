"""What the doctor sees without the API server: names, mounted files, the border of the network, and who pages.

names   keys   roster --> a pair that is closed     what a sentinel needs
Prometheus --> Alertmanagers                        what only the witness and people may reach
"""

import ssl
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from sentinel.clients import reach
from sentinel.clients.reach import Reach
from sentinel.clients.tokens import FileToken
from sentinel.core.net.roster import Beacon, Roster
from sentinel.core.paging import obstacles, ours
from sentinel.core.paging.prometheus import Prometheus
from sentinel.errors import ClientError, OwnFault
from sentinel.joins.relaying import client_of
from sentinel.joins.verify_alerting import Live, Places, look
from sentinel.joins.world import net_targets_of
from sentinel.reports.diagnosis import Finding, State
from sentinel.settings import Settings

CONNECT_SECONDS = 2.0
NOWHERE = "192.0.2.1"
"""Kept for documentation: nobody is there. Who connects to it has a proxy that takes everything."""
_WITNESS_JOB = "sentinel-witness"


async def names(settings: Settings) -> Finding:
    """Whether the names that the configuration uses have addresses."""
    urls = [settings.paging.relay, settings.alerting.prometheus, *settings.paging.direct]
    urls += [gateway.url for gateway in settings.gateways]
    hosts = dict.fromkeys(urlsplit(url).hostname or "" for url in urls if url is not None)
    if not hosts:
        return Finding("DNS", State.LEFT_OUT, "no name is configured")
    found = {host: await reach.look_up(host) for host in hosts}
    if absent := [host for host, how in found.items() if how is Reach.SHUT]:
        hint = "compare the name with the Service, and let us reach the cluster's DNS"
        return Finding("DNS", State.FAIL, f"no such name: {', '.join(absent)}", hint)
    if unasked := [host for host, how in found.items() if how is Reach.UNTRIED]:
        hint = "does a NetworkPolicy let us reach the cluster's DNS?"
        return Finding("DNS", State.WARN, f"nobody answers about {', '.join(unasked)}", hint)
    return Finding("DNS", State.OK, f"{len(hosts)} names found")


def keys(settings: Settings) -> Iterator[Finding]:
    """Whether what each gateway's configuration mounts can be read. No content is told."""
    for gateway in settings.gateways:
        files = [gateway.key.file] if gateway.key is not None else []
        files += [header.file for header in gateway.headers if header.file is not None]
        wrong = [text for file in files if (text := _unreadable(file))]
        wrong += [text] if gateway.ca is not None and (text := _no_ca(gateway.ca)) else []
        topic = f"files of gateway {gateway.name}"
        if wrong:
            yield Finding(topic, State.FAIL, "; ".join(wrong), "mount the Secret with `gatewaySecrets` of the chart")
        else:
            yield Finding(topic, State.OK, f"{len(files)} keys read" if files else "it asks for no key")


def _unreadable(file: Path) -> str:
    try:
        FileToken(file, spaces=True).read()
    except OwnFault as error:
        return str(error)
    return ""


def _no_ca(file: Path) -> str:
    try:
        ssl.create_default_context(cafile=str(file))
    except (OSError, ssl.SSLError) as error:
        return f"CA file {file}: {type(error).__name__}, expected PEM certificates"
    return ""


async def border(settings: Settings) -> list[Finding]:
    """The beacons that the witness names, and whether another tenant's is really out of reach."""
    if not settings.network.enabled or settings.paging.relay is None:
        return [Finding("roster", State.LEFT_OUT, "network.enabled or paging.relay is not set: no connection is tried")]
    async with client_of(settings) as client:
        try:
            roster = await client.roster()
        except ClientError as error:
            return [Finding("roster", State.WARN, str(error), "see the line of the relay")]
    return [_roster(settings, roster), await _closed(settings, roster)]


def _roster(settings: Settings, roster: Roster) -> Finding:
    wanted = {*net_targets_of(settings)}
    able = {beacon.target for beacon in roster.beacons if beacon.ready and beacon.key and beacon.addresses}
    if absent := sorted(wanted - able):
        hint = "do their sentinels run with network.enabled, and are they Ready? The witness's log names refusals"
        return Finding("roster", State.FAIL, f"no beacon is ready of {', '.join(absent)}", hint)
    return Finding("roster", State.OK, f"{len(roster.beacons)} beacons, one or more of each of {len(wanted)} tenants")


async def _closed(settings: Settings, roster: Roster) -> Finding:
    """Silence proves that a pair is cut only where our own beacon answers, and nobody answers for everybody."""
    topic = "closed pair"
    own = [beacon for beacon in roster.beacons if beacon.tenant == settings.tenant and beacon.ready]
    others = [beacon for beacon in roster.beacons if beacon.tenant != settings.tenant and beacon.ready]
    if not own or not others:
        return Finding(topic, State.WARN, "the roster has no pair to try", "see the line of the roster")
    port = others[0].port
    if await reach.connect(NOWHERE, port, CONNECT_SECONDS) is Reach.OPEN:
        detail = f"{NOWHERE} connects, where nobody is: a proxy answers for everybody"
        return Finding(topic, State.WARN, detail, "try it from a pod without a service mesh")
    if await _reached(own) is None:
        detail = "our own beacon does not answer from here, so that another one's silence proves nothing"
        return Finding(topic, State.WARN, detail, "try it from a pod of this tenant")
    if (open_ := await _reached(others)) is not None:
        detail = f"a beacon of {open_.target} connects from here ({open_.addresses[0]}:{open_.port})"
        return Finding(topic, State.FAIL, detail, "apply a NetworkPolicy that denies what comes from other tenants")
    return Finding(topic, State.OK, f"none of {len(others)} beacons of others connects, and our own does")


async def _reached(beacons: Sequence[Beacon]) -> Beacon | None:
    for beacon in beacons:
        for host in beacon.addresses:
            if await reach.connect(host, beacon.port, CONNECT_SECONDS) is Reach.OPEN:
                return beacon
    return None


async def alerting(places: Places, tenants: Sequence[str]) -> list[Finding]:
    """Whether Prometheus scrapes us, has our rules and tells an Alertmanager that answers from here."""
    live = await look(places)
    return [*_prometheus(live, places.prometheus, tenants), *_alertmanagers(live)]


def _prometheus(live: Live, url: str, tenants: Sequence[str]) -> Iterator[Finding]:
    found = live.prometheus
    if found is None:
        said = next((line for line in live.unread if line.startswith(url.rstrip("/"))), "could not be read")
        yield Finding("Prometheus", State.FAIL, said, "compare alerting.prometheus; does a NetworkPolicy let us out?")
        for topic in ("scrapes", "rules"):
            yield Finding(topic, State.WARN, "Prometheus could not be read", "see the line of Prometheus")
        return
    yield Finding("Prometheus", State.OK, f"{found.version or 'a version that it does not tell'} at {url}")
    yield _scrapes(found, tenants)
    yield _rules(found)


def _scrapes(found: Prometheus, tenants: Sequence[str]) -> Finding:
    targets = [one for one in found.targets if one.job in (ours.TENANTS_JOB, _WITNESS_JOB)]
    up = {one.labels.get("tenant", "") for one in targets if not one.error and one.job == ours.TENANTS_JOB}
    if absent := sorted({*tenants} - up):
        down = next((f": {one.error[:120]}" for one in targets if one.error), "")
        hint = "does Prometheus select the PodMonitor, and does a NetworkPolicy let it in?"
        return Finding("scrapes", State.FAIL, f"no sample of {', '.join(absent[:5])}{down}", hint)
    if not any(one.job == _WITNESS_JOB and not one.error for one in targets):
        return Finding("scrapes", State.FAIL, "no sample of the witness", "does Prometheus select its PodMonitor?")
    return Finding("scrapes", State.OK, f"{len(targets)} targets, one of each of {len(tenants)} tenants")


def _rules(found: Prometheus) -> Finding:
    rules = {rule.name: rule for group in found.groups for rule in group.rules if rule.alerts}
    mine = {name for name in rules if name.startswith(ours.PREFIX)}
    if absent := [name for name in ours.expected(mine) if name not in mine]:
        hint = "does its ruleSelector take our PrometheusRule (monitor.labels)?"
        return Finding("rules", State.FAIL, f"not there: {', '.join(absent[:3])}, {len(absent)} in all", hint)
    if failing := sorted(name for name in mine if rules[name].error):
        return Finding("rules", State.FAIL, f"{failing[0]}: {rules[failing[0]].error[:120]}", "mend the rule")
    return Finding("rules", State.OK, f"{len(mine)} alerts of ours")


def _alertmanagers(live: Live) -> Iterator[Finding]:
    for manager in live.managers:
        for lack in obstacles.not_told(manager):
            yield Finding("Alertmanager", State.FAIL, lack.detail, lack.hint)
        version = manager.version or "a version that it does not tell"
        yield Finding("Alertmanager", State.OK, f"{version} at {manager.url}")
    about_prometheus = 0 if live.prometheus is not None else 1
    for line in live.unread[about_prometheus:]:
        hint = "does a NetworkPolicy let us out, and is its address that of the server itself?"
        yield Finding("Alertmanager", State.FAIL, line, hint)
    if not live.managers and not live.unread[about_prometheus:]:
        yield Finding("Alertmanager", State.WARN, "nobody could be asked where it is", "see the line of Prometheus")
