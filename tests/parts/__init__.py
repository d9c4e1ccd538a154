"""Real parts for the tests: the lookup (`find`) and the script that brings them.

Nothing here is imported by the product, and nothing here needs more than Python
itself, so that `make parts` works before anything is installed.
"""

from tests.parts.find import MissingPart, find

__all__ = ["MissingPart", "find"]
