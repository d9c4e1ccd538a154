"""What a reader of the console asked for, by the address."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wish:
    """That it holds still, one tenant of several, targets with this in their name."""

    still: bool = False
    tenant: str = ""
    find: str = ""

    @property
    def query(self) -> dict[str, str]:
        """The same as in an address, but for holding still."""
        return {name: text for name, text in (("tenant", self.tenant), ("find", self.find)) if text}


AS_IT_IS = Wish()
