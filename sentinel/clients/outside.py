"""Somebody outside of the cluster who is told something: any 2xx is a yes, what else it says is nobody's business."""

from contextlib import AbstractAsyncContextManager

import aiohttp

from sentinel.errors import BadReply, Refused, TimedOut, Unreachable


async def tell(asked: AbstractAsyncContextManager[aiohttp.ClientResponse], name: str, within: float) -> None:
    """Wait for the yes. Raises Unreachable, TimedOut, Refused (4xx), or BadReply (anything else that is no 2xx).

    `asked`: the request, not yet sent. `name`: all that errors say of the URL, since they are logged, and the rest of
    it may be a secret. `within`: the seconds that the session gives it.
    """
    try:
        async with asked as response:
            status = response.status
            response.close()
    except TimeoutError as error:
        raise TimedOut(f"{name}: no answer within {within:g} s") from error
    except (aiohttp.ClientConnectionError, OSError) as error:
        raise Unreachable(f"{name}: {type(error).__name__}") from error
    except (aiohttp.ClientError, ValueError) as error:
        raise BadReply(f"{name}: {type(error).__name__}") from error
    if not 200 <= status < 300:
        raise (Refused if 400 <= status < 500 else BadReply)(f"{name}: answered {status}")
