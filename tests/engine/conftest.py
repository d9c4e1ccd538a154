"""The laws of the engine run under the same profile as those of the core."""

import tests.core.conftest  # noqa: F401
