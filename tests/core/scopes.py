"""Clusters of tenants, as the plan's input."""

from sentinel.core.api.plan import Scope


def scope(tenants=3, me=0, *, spaces=1, accounts=("self",), anonymous=("anonymous",), **changes):
    """A cluster of so many tenants with so many namespaces each, seen from tenant number `me`."""
    names = [f"team-{number:03}" for number in range(tenants)]
    rows = tuple((name, tuple(name + f"-{n}" * (n > 0) for n in range(spaces))) for name in names)
    values = {
        "tenant": names[me],
        "tenants": rows,
        "system": ("kube-system", "sentinel-system"),
        "accounts": accounts,
        "anonymous": anonymous,
        "every": 10.0,
        "within": 120.0,
        "sweep": 1800.0,
        "timeout": 4.0,
        "qps": 100.0,
    }
    return Scope(**{**values, **changes})
