"""Drills as people run them: real processes, a gateway that really fails over, and wounds that are really healed."""

import asyncio
import json
import signal
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from sentinel.clients.control import Control
from sentinel.clients.receipts import Receipts
from sentinel.core.audit.anchors import Anchors
from sentinel.core.drill.fault import Fault, Place, Receipt, Variant
from sentinel.core.gateway import canary
from sentinel.tools import auditing
from tests.support.failing_over import Provider, served
from tests.support.ports import free_port
from tests.wire.drills import PATIENCE, VARIANTS, Ended, Town, ended, phase, started, town

NOWHERE = Place("provider", "http://127.0.0.1:9")
RECEIPT = Receipt("0a1b2c3d", "outage", "chat", NOWHERE, Fault(Variant.KILL), 60.0, 1.0)


async def play(folder):
    """Every drill that runs to its end, at once: they mostly wait."""

    async def one(name, *words, around=False, fails_over=True, primary="", **drill):
        async with town(folder / name, around=around, fails_over=fails_over) as made:
            if drill:
                made.short(**drill)
            made.gateway.providers["openai"] = primary or made.gateway.providers["openai"]
            return Played(await made.run(*words), await made.fault(), made)

    async with asyncio.TaskGroup() as group:
        told = ("--journal", str(folder), "--textfile", str(folder / "drill.prom"))
        more = {"429": told}
        tasks = {v: group.create_task(one(v, "--variant", v, *more.get(v, ()))) for v in VARIANTS}
        limits = {"duration": "5s", "gate": "60s"}
        tasks["never"] = group.create_task(one("never", fails_over=False, limits=limits))
        tasks["around"] = group.create_task(one("around", around=True, limits=limits))
        tasks["dead"] = group.create_task(one("dead", primary="http://127.0.0.1:9", limits=limits | {"gate": "2s"}))
    return {name: task.result() for name, task in tasks.items()}


@dataclass
class Played:
    """What a drill said, what stood at its proxy then, and its town."""

    seen: Ended
    fault: dict[str, Any]
    town: Town


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    return asyncio.run(play(tmp_path_factory.mktemp("drills")))


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_gateway_that_fails_over_survives(played, variant):
    ended, said = played[variant].seen, played[variant].seen.json

    assert ended.code == 0, (ended.out, ended.err)
    assert (said["verdict"], said["failover"]["to"]) == ("pass", "backup")
    assert 0 <= said["failover"]["lower"] <= said["failover"]["upper"] < 20
    assert said["injected"]["asked"] <= said["injected"]["proved"]
    assert [row["phase"] for row in said["phases"]][-3:] == ["reverting", "recovering", "judged"]
    assert said["answers"]["bitten"] and said["failback"] is not None
    assert played[variant].fault["run"] is None and played[variant].town.standing() == []


def test_a_gateway_that_never_fails_over_fails_the_drill_and_the_primary_is_healed(played):
    said = played["never"].seen.json

    assert (played["never"].seen.code, said["verdict"]) == (1, "fail")
    assert "nobody answered" in said["why"] or "no other provider took over" in said["why"]
    assert played["never"].fault["run"] is None and said["failback"] is not None


def test_a_fault_that_does_not_bite_proves_nothing(played):
    said = played["around"].seen.json

    assert (played["around"].seen.code, said["verdict"]) == (3, "inconclusive")
    assert "did not bite" in said["why"] and said["answers"]["bitten"] == 0


def test_where_the_primary_does_not_answer_nothing_is_broken(played):
    said = played["dead"].seen.json

    assert (played["dead"].seen.code, said["verdict"]) == (3, "inconclusive")
    assert "nothing was broken" in said["why"]
    assert said["receipt"] == "" and said["answers"]["bitten"] is None


async def test_sigterm_heals_first_and_the_drill_is_aborted(tmp_path):
    async with town(tmp_path, fails_over=False) as made:
        process = await made.start()
        await phase(process, "the fault stands")
        assert (await made.fault())["run"]
        process.send_signal(signal.SIGTERM)
        seen = await ended(process)
        fault = await made.fault()

    assert (seen.code, seen.json["verdict"], seen.json["why"]) == (3, "aborted", "SIGTERM")
    assert fault["run"] is None and made.standing() == []


async def test_what_a_killed_drill_leaves_is_refused_by_the_next_one_and_healed_by_its_receipt(tmp_path):
    async with town(tmp_path, fails_over=False) as made:
        textfile = tmp_path / "drill.prom"
        process = await made.start("--textfile", str(textfile))
        await phase(process, "the fault stands")
        process.kill()
        await process.wait()
        (receipt,) = made.standing()
        left = numbers(textfile)
        assert (await made.fault())["run"] == receipt.stem

        refused = await made.run()
        healed = await ended(await started("undo", str(receipt), "--textfile", str(textfile)))
        again = await ended(await started("undo", str(receipt.with_name(f"{receipt.stem}.healed.json"))))

        assert (refused.code, refused.out) == (4, "")
        assert f"sentinel drill undo {receipt}" in refused.err
        assert (healed.code, healed.out, again.code) == (0, "healed\n", 0)
        assert (await made.fault())["run"] is None and made.standing() == []
        assert (left["unreverted"], left["active"]) == (1, 1)
        assert left["overdue_timestamp_seconds"] > left["wounded_timestamp_seconds"] > 1e9
        assert left["healed_timestamp_seconds"] == 0
        after = numbers(textfile)
        assert (after["unreverted"], after["active"]) == (0, 0)
        assert after["healed_timestamp_seconds"] > left["wounded_timestamp_seconds"]


async def test_a_drill_that_is_refused_tells_what_stands(tmp_path):
    async with town(tmp_path) as made:
        made.receipts.mkdir()
        Receipts(made.receipts).write(RECEIPT)
        seen = await made.run("--textfile", str(tmp_path / "drill.prom"))

    told = numbers(tmp_path / "drill.prom")
    assert (seen.code, told["unreverted"], told["active"]) == (4, 1, 0)
    assert told["wounded_timestamp_seconds"] == RECEIPT.written


async def test_where_nobody_can_be_told_nothing_is_begun(tmp_path):
    async with town(tmp_path) as made:
        nowhere = await made.run("--textfile", str(tmp_path / "missing" / "drill.prom"))
        unread = await made.run("--textfile", str(tmp_path / "drill.txt"))
        taken = await made.run("--metrics", made.control.removeprefix("http://"))
        assert made.primary.hits == 0

    assert (nowhere.code, unread.code, taken.code) == (4, 2, 4)
    assert "No such file" in nowhere.err and ".prom" in unread.err and "--metrics: cannot listen" in taken.err


def test_what_a_drill_came_to_is_in_its_file_and_in_a_journal_that_can_be_verified(played):
    said, folder = played["429"].seen.json, played["429"].town.folder.parent
    told = numbers(folder / "drill.prom")

    assert (told["unreverted"], told["active"]) == (0, 0)
    assert told["healed_timestamp_seconds"] > told["wounded_timestamp_seconds"]
    assert told["well_timestamp_seconds"] > told["recovering_timestamp_seconds"] > told["wounded_timestamp_seconds"]
    assert told["recovery_seconds"] == pytest.approx(said["failback"], abs=0.001)
    assert said["figures"]["baseline"]["answers"] >= 3 and said["figures"]["baseline"]["error_rate_percent"] == 0

    seen = auditing.account(auditing.find([folder / "drills.jsonl"]), 0.0, 4e9, Anchors())
    (drill,) = seen.drills
    assert (drill.run, drill.verdict.value, drill.variant) == (said["run"], "pass", "429")
    assert drill.stood is not None and drill.stood[0] < (drill.stood[1] or 0.0)
    assert not seen.broken


async def test_two_results_are_compared_stage_by_stage(played, tmp_path):
    files = []
    for name in ("kill", "never", "dead"):
        files.append(tmp_path / f"{name}.json")
        files[-1].write_text(played[name].seen.out)
    wrong = tmp_path / "wrong.json"
    wrong.write_text("[]")

    same, worse = [await ended(await started("diff", str(files[0]), str(other))) for other in files[:2]]
    unknown = await ended(await started("diff", str(files[0]), str(files[2]), "--percent", "100", "--latency", "1h"))
    refused = await ended(await started("diff", str(files[0]), str(wrong)))

    assert (same.code, worse.code, unknown.code, refused.code) == (0, 1, 3, 2), (same, worse, unknown, refused)
    assert "DIFFERS" in worse.out and "DIFFERS" not in same.out and "not known" in unknown.out
    assert "drill run -o json" in refused.err


def numbers(textfile):
    """What a node exporter would read there of the drill itself; of several with one name the largest."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(textfile.read_text()):
        for sample in family.samples:
            name = sample.name.removeprefix("sentinel_drill_")
            found[name] = max(sample.value, found.get(name, 0.0))
    return found


async def test_where_nothing_answers_any_more_the_receipt_stays(tmp_path):
    receipt = Receipts(tmp_path).write(RECEIPT)

    seen = await ended(await started("undo", str(receipt)))

    assert seen.code == 4 and seen.err.startswith("not healed: ")
    assert Receipts(tmp_path).standing() == (receipt,)


async def test_the_proxy_as_people_start_it_says_where_it_listens_and_ends_when_it_is_told(tmp_path):
    async with served(Provider("openai").app()) as provider, aiohttp.ClientSession() as session:
        words = ("--listen", f"127.0.0.1:{free_port()}", "--control", f"127.0.0.1:{free_port()}")
        process = await started("proxy", "--upstream", provider, *words)
        assert process.stdout is not None
        told = json.loads(await asyncio.wait_for(process.stdout.readline(), PATIENCE))
        nonce = canary.tag("a") + "0123abcd"
        headers = {"x-request-id": f"tenant-sentinel-{nonce}", "accept": "text/event-stream"}
        async with session.post(f"http://{told['listen']}/v1/chat/completions", headers=headers) as reply:
            answered = reply.status, await reply.text()
        async with Control(f"http://{told['control']}") as control:
            stands = await control.call("GET", "/fault")
        process.send_signal(signal.SIGTERM)
        seen = await ended(process)

    assert answered[0] == 200 and "[DONE]" in answered[1]
    assert stands["run"] is None
    assert (seen.code, seen.out, seen.err) == (0, "", "")  # not a word of what went through


async def test_a_proxy_whose_control_others_could_reach_does_not_start():
    words = ("--listen", f"127.0.0.1:{free_port()}", "--control", f"0.0.0.0:{free_port()}")
    seen = await ended(await started("proxy", "--upstream", "http://127.0.0.1:9", *words))

    assert seen.code == 4 and "set a token" in seen.err


async def test_a_plan_says_all_and_touches_nothing(tmp_path):
    async with town(tmp_path) as made:
        config, drill = made.write()
        seen = await ended(await started("plan", str(drill), "--config", str(config), "--variant", "429"))
        assert made.primary.hits == 0 and (await made.fault())["run"] is None

    assert seen.code == 0, seen.err
    for words in ("429", "The next one answers.", "at most 40 s", "DELETE", "by itself", "within 20 s"):
        assert words in seen.out


async def test_the_shipped_drills_are_listed_with_their_variants():
    seen = await ended(await started("list", "--output", "json"))

    assert seen.code == 0, seen.err
    (row,) = [row for row in seen.json if row["name"] == "provider-outage"]
    assert row["variants"] == list(VARIANTS)
