"""What one Alertmanager counts of the notifications it sends, and which groups of alerts it holds."""

from collections import defaultdict
from collections.abc import Iterator

from prometheus_client.parser import text_string_to_metric_families

from sentinel.clients.alertmanager import Receiver
from sentinel.clients.reading import Reader
from sentinel.core.api.reply import clean
from sentinel.core.paging.delivery import Counts, Group, Key, Tally, groups
from sentinel.errors import BadReply

_REQUESTS = "alertmanager_notification_requests_total"
_REFUSED = "alertmanager_notification_requests_failed_total"
_GIVEN_UP = "alertmanager_notifications_failed_total"
_GROUPS = "alertmanager_dispatcher_aggregation_groups"


async def counts(reader: Reader, receiver: Receiver) -> Counts:
    """Its counters now. Raises ClientError with a sentence."""
    text = await reader.text(f"{receiver}/metrics", receiver.headers, receiver.tls)
    found: dict[str, dict[tuple[Key, str], int]] = defaultdict(dict)
    held = None
    try:
        for name, labels, value in _samples(text):
            key = Key(labels.get("integration", ""), labels.get("receiver_name", ""))
            found[name][key, labels.get("reason", "")] = int(value)
            held = int(value) if name == _GROUPS else held
    except (ValueError, OverflowError) as error:
        raise BadReply(f"{receiver}/metrics: {clean(str(error), 200)}") from error
    if held is None or _REQUESTS not in found:
        raise BadReply(f"{receiver}/metrics: found no {_REQUESTS}, expected the counters of an Alertmanager")
    return Counts({key: _tally(key, found) for key, _ in found[_REQUESTS]}, held)


async def held(reader: Reader, receiver: Receiver, label: str, value: str) -> tuple[Group, ...]:
    """The groups it holds now, ours by its label. Raises ClientError with a sentence."""
    said = await reader.get(f"{receiver}/api/v2/alerts/groups", receiver.headers, receiver.tls)
    try:
        return groups(said, label, value)
    except ValueError as error:
        raise BadReply(f"{receiver}: {clean(str(error), 300)}") from error


def _samples(text: str) -> Iterator[tuple[str, dict[str, str], float]]:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name in (_REQUESTS, _REFUSED, _GIVEN_UP, _GROUPS):
                yield sample.name, sample.labels, sample.value


def _tally(key: Key, found: dict[str, dict[tuple[Key, str], int]]) -> Tally:
    lost = {reason: count for (whose, reason), count in found[_GIVEN_UP].items() if whose == key}
    return Tally(found[_REQUESTS].get((key, ""), 0), found[_REFUSED].get((key, ""), 0), lost)
