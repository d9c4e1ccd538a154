"""The configuration as types: one YAML file, read once, frozen, or refused with everything that is wrong.

    load.py         the way from bytes to `Settings`; model.py is the whole, one file per theme:
    tenants.py identities.py isolation.py network.py gateways.py checks.py paging.py web.py
    journal.py size.py log.py kubernetes.py
    duration.py words.py section.py    the small types that the themes are written in
    tree.py environment.py             YAML and overrides, with the place of every value
    shape.py translate.py rules.py     what is wrong, in one line that says how to mend it
    remarks.py show.py                 what is worth knowing; schema and effective configuration

Under every field stands why its default is what it is.
"""

from sentinel.settings.duration import Duration, written
from sentinel.settings.gateways import Gateway
from sentinel.settings.identities import ANONYMOUS, SELF, Identity, TokenFile
from sentinel.settings.isolation import Grant, Isolation
from sentinel.settings.journal import Journal
from sentinel.settings.kubernetes import Kubernetes
from sentinel.settings.load import Examined, config_hash, examine, load
from sentinel.settings.log import Log
from sentinel.settings.model import Settings
from sentinel.settings.network import Network
from sentinel.settings.paging import Paging
from sentinel.settings.remarks import Note
from sentinel.settings.tenants import Tenant
from sentinel.settings.web import Web
from sentinel.settings.words import Address

__all__ = [
    "ANONYMOUS",
    "SELF",
    "Address",
    "Duration",
    "Examined",
    "Gateway",
    "Grant",
    "Identity",
    "Isolation",
    "Journal",
    "Kubernetes",
    "Log",
    "Network",
    "Note",
    "Paging",
    "Settings",
    "Tenant",
    "TokenFile",
    "Web",
    "config_hash",
    "examine",
    "load",
    "written",
]
