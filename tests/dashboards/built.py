"""The dashboards that are written in Python here, as the text of their files."""

import json

from tests.dashboards import drills, gateways, isolation, itself, paging
from tests.deploy.chart import ROOT

FOLDER = ROOT / "alerts" / "dashboards"
BOARDS = (isolation.BOARD, gateways.BOARD, itself.BOARD, paging.BOARD, drills.BOARD)
IN_TOWN = BOARDS[:-1]
"""Those that show something where nobody runs a drill."""


def texts() -> dict[str, str]:
    """By the name of the file."""
    return {board.name: json.dumps(board.json(), indent=2, ensure_ascii=False) + "\n" for board in BOARDS}
