"""Whom a drill tells, and what becomes of the drill where nobody can be told."""

import json
from dataclasses import replace

import pytest

from sentinel.clients.clock import Clock
from sentinel.clients.receipts import Receipts
from sentinel.core.drill.fault import Variant
from sentinel.core.drill.figures import Seen, Worth
from sentinel.core.drill.result import Setting
from sentinel.errors import OwnFault
from sentinel.settings.journal import Journal
from sentinel.tools.telling import Telling, Where
from tests.core.drill.test_progress import WELL, WOUNDED, run
from tests.engine.test_drill import RECEIPT
from tests.engine.test_drill_metrics import PASSED, result
from tests.wire.test_drill import numbers


def telling(folder, **where):
    folder.mkdir(exist_ok=True)
    made = Telling("outage", Variant.KILL, Receipts(folder), Where(**where), Clock())
    made.begin(Setting("staging"))
    return made


def test_the_file_tells_of_a_wound_before_it_is_made_and_of_its_undo_when_it_is_proved(tmp_path):
    file = tmp_path / "drill.prom"
    told = telling(tmp_path / "receipts", textfile=file)
    assert numbers(file)["unreverted"] == 0

    receipt = told.write(RECEIPT)  # the engine makes the wound after this
    wounded = numbers(file)
    told.heal(receipt)
    healed = numbers(file)

    assert (wounded["unreverted"], wounded["wounded_timestamp_seconds"]) == (1, RECEIPT.written)
    assert (healed["unreverted"], healed["healed_timestamp_seconds"] > RECEIPT.written) == (0, True)


def test_every_phase_is_in_the_file_and_what_was_heard_is_counted_where_it_belongs(tmp_path):
    file = tmp_path / "drill.prom"
    told = telling(tmp_path / "receipts", textfile=file)

    told.heard(Seen(0.1, 0.2, Worth.PRIMARY))  # before there is a drill it is asked for nobody
    told.turned(run(*WELL[:1]))
    told.heard(Seen(1.0, 1.5, Worth.PRIMARY))
    told.turned(run(*WOUNDED))
    told.heard(Seen(4.0, 5.0, Worth.BAD))
    told.turned(run(*PASSED))

    text = file.read_text()
    assert 'answers_total{drill="outage",result="primary",stage="baseline"} 1.0' in text
    assert 'answers_total{drill="outage",result="bad",stage="during"} 1.0' in text
    assert numbers(file)["active"] == 0
    assert [one.worth for one in told.seen] == [Worth.PRIMARY, Worth.PRIMARY, Worth.BAD]


def test_a_file_that_cannot_be_written_keeps_a_drill_from_beginning_and_no_drill_from_ending(tmp_path):
    with pytest.raises(OwnFault, match="No such file"):
        telling(tmp_path / "receipts", textfile=tmp_path / "missing" / "drill.prom")

    (folder := tmp_path / "there").mkdir()
    told = telling(tmp_path / "receipts", textfile=folder / "drill.prom", journal=folder)
    (folder / "drill.prom").unlink()
    folder.rmdir()

    told.heal(told.write(RECEIPT))
    told.end(result(*PASSED), Journal())

    assert Receipts(tmp_path / "receipts").standing() == ()


def test_a_receipt_that_nobody_can_read_counts_as_one_that_stands(tmp_path):
    (folder := tmp_path / "receipts").mkdir()
    (folder / "old.json").write_text("{")
    older = replace(RECEIPT, run="older", written=0.5)
    for receipt in (RECEIPT, older):
        (folder / f"{receipt.run}.json").write_text(json.dumps(receipt.as_json()))

    telling(folder, textfile=tmp_path / "drill.prom")

    found = numbers(tmp_path / "drill.prom")
    assert (found["unreverted"], found["wounded_timestamp_seconds"]) == (3, RECEIPT.written)


def test_a_journal_is_a_file_or_its_folder(tmp_path):
    (folder := tmp_path / "journals").mkdir()

    telling(tmp_path / "receipts", journal=folder).end(result(*PASSED), Journal())
    telling(tmp_path / "receipts", journal=folder / "mine.jsonl").end(result(*PASSED), Journal())

    for name in ("drills.jsonl", "mine.jsonl"):
        (_, line) = (folder / name).read_text().splitlines()
        assert json.loads(line)["event"] == "drilled" and json.loads(line)["verdict"] == "pass"
