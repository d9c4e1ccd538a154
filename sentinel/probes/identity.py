"""An identity: who asks, whom the API server should take us for, and where the token comes from."""

from dataclasses import dataclass

from sentinel.clients.tokens import Source


@dataclass(frozen=True, slots=True)
class Identity:
    """`expect` is the user name whoami must give; `anonymous` has no token on purpose.

    `opaque`: the token need not be a JWT (a kubeconfig's); whoami alone says whose it is.
    """

    name: str
    expect: str
    source: Source
    anonymous: bool = False
    opaque: bool = False
