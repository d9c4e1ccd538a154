"""Which addresses no roster may hold, each with why."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.net import address
from sentinel.core.net.address import Refusal

PODS = [
    "10.0.0.5",
    "172.16.3.4",
    "192.168.200.7",
    "100.64.0.9",
    "11.1.2.3",
    "241.0.0.8",
    "fd00:10:244::5",
    "2600:1f18::5",
]
REFUSED = {
    Refusal.NONSENSE: ["", "nonsense", "10.0.0", "10.0.0.256", "fe80::1%eth0", "010.0.0.1", "10.0.0.1/32", " 10.0.0.1"],
    Refusal.LOOPBACK: ["127.0.0.1", "127.255.255.254", "::1"],
    Refusal.LINK_LOCAL: ["169.254.169.254", "169.254.0.1", "fe80::1", "febf::1"],
    Refusal.METADATA: ["168.63.129.16", "100.100.100.200", "fd00:ec2::254"],
    Refusal.MULTICAST: ["224.0.0.1", "239.255.255.255", "ff02::1"],
    Refusal.UNSPECIFIED: ["0.0.0.0", "0.1.2.3", "::"],
    Refusal.BROADCAST: ["255.255.255.255"],
    Refusal.DOCUMENTATION: ["192.0.2.1", "198.51.100.7", "203.0.113.9", "2001:db8::1", "3fff::1"],
    Refusal.MAPPED: [
        "::ffff:10.0.0.5",
        "::ffff:127.0.0.2",
        "::10.0.0.5",
        "64:ff9b::a9fe:a9fe",
        "2002:a00:5::1",
        "2001:0:1::1",
    ],
}


@pytest.mark.parametrize("text", PODS)
def test_what_can_be_a_pods_address_is_taken(text):
    assert address.refusal(text) is None


@pytest.mark.parametrize(("why", "text"), [(why, text) for why, texts in REFUSED.items() for text in texts])
def test_what_is_no_pods_address_is_refused_with_its_reason(why, text):
    assert address.refusal(text) is why


@pytest.mark.parametrize("text", PODS)
def test_the_api_servers_and_a_nodes_addresses_are_refused_however_they_are_written(text):
    known = {ipaddress.ip_address(text)}
    written = ipaddress.ip_address(text).exploded.upper()

    assert address.refusal(written, api_servers=known, hosts=known) is Refusal.API_SERVER
    assert address.refusal(written, hosts=known) is Refusal.HOST


@given(st.text(max_size=60) | st.ip_addresses().map(str))
def test_nothing_that_is_said_for_an_address_raises(text):
    address.refusal(text)


@given(st.ip_addresses())
def test_what_is_taken_is_neither_ours_nor_special_nor_everybodys(found):
    if address.refusal(str(found)) is None:
        special = (
            found.is_loopback,
            found.is_link_local,
            found.is_multicast,
            found.is_unspecified,
            getattr(found, "ipv4_mapped", None),
            getattr(found, "sixtofour", None),
            getattr(found, "teredo", None),
        )
        assert not any(special)
