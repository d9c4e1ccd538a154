"""Beside cloudprober and blackbox_exporter: the same real API server, the same rate, in turn, in one run.

    sentinel            its daemon, faster than by default: one connection a round, controls and reviews included
    cloudprober         a probe per target, on connections that it keeps, and with a new one for each request
    blackbox_exporter   a new connection for each probe, whoever asks; a Prometheus calls it, as everywhere

All of them ask as the same account and are denied; to the others a 403 is good enough, sentinel reads it. CPU is
user and system time of the whole process, requests are counted by the API server. Sentinel asks a round's questions
one after the other without pause, the others spread theirs evenly: that each of them wakes up for every request is
part of what they cost.
"""

import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, Protocol

import yaml

from tests import parts
from tests.bench import table
from tests.bench.table import spread
from tests.bench.town import Town, tenants_for, town
from tests.support.child import Child
from tests.support.eventually import eventually
from tests.support.ports import free_port
from tests.support.prometheus import Prometheus
from tests.support.sentinels import Sentinel, fetch

TENANT = "team-1"
TARGETS = 10
PACES: tuple[Mapping[str, Any], ...] = (
    {"every": "1s", "within": "12s", "sweep": "3m", "timeout": "900ms"},  # ten times the default
    {"every": "250ms", "within": "3s", "sweep": "45s", "timeout": "200ms"},
)
RUNS = 3
WARM_UP = 4.0
WINDOW = 12.0
LOOK = 4.0
"""Seconds between two scrapes of what has metrics."""


class Client(Protocol):
    """A monitor that is running; its processes by name."""

    @property
    def processes(self) -> Mapping[str, Child]: ...

    def look(self) -> None:
        """A scrape."""
        ...

    def good(self) -> float:
        """Share of its requests with the expected end, since its start."""
        ...


class Run(NamedTuple):
    """One window: µs of CPU per request and MiB, by process; requests per second by the server's count."""

    cpu: dict[str, float]
    memory: dict[str, float]
    rate: float
    good: float


@dataclass
class Figures:
    """All runs of one client at one pace."""

    name: str
    mode: str
    runs: list[Run] = field(default_factory=list)


def main() -> None:
    print(*table.machine("kube-apiserver", "cloudprober", "blackbox_exporter", "prometheus"), sep="\n")
    print(f"{TARGETS} targets, {RUNS} runs of {WINDOW:g} s each, in turn; median (range).\n")
    print(table.head("client", "mode", "requests/s", "good", "µs of CPU per request", "to sentinel's", "RSS, MiB"))
    with town(tenants_for(TARGETS)) as here, TemporaryDirectory(prefix="sentinel-peers-") as folder:
        itself = _requests_by_itself(here)
        for pace in PACES:
            for cells in _compared(here, Path(folder), pace, itself):
                print(table.line(cells), flush=True)


def _compared(here: Town, folder: Path, pace: Mapping[str, Any], itself: float) -> Iterator[list[str]]:
    every = float(pace["every"].removesuffix("ms")) / 1000 if pace["every"].endswith("ms") else 1.0
    own = Figures("sentinel", f"a connection each {pace['every']}")
    others = {
        "kept": Figures("cloudprober", "connections kept"),
        "new": Figures("cloudprober", "a connection each request"),
        "blackbox": Figures("blackbox_exporter", "a connection each request"),
    }
    for _ in range(RUNS):
        own.runs.append(_measured(here, itself, sentinel(here, pace)))
        interval = TARGETS / statistics.median(run.rate for run in own.runs)
        others["kept"].runs.append(_measured(here, itself, cloudprober(here, folder, interval, keep=True)))
        others["new"].runs.append(_measured(here, itself, cloudprober(here, folder, interval, keep=False)))
        others["blackbox"].runs.append(_measured(here, itself, blackbox(here, folder, interval)))
    own.mode += f", {statistics.median(run.rate for run in own.runs) * every:.0f} requests in a row on it"
    for figures in (own, *others.values()):
        yield from _rows(figures, own)


def _rows(figures: Figures, own: Figures) -> Iterator[list[str]]:
    names = list(figures.runs[0].cpu)
    for count in range(1, len(names) + 1):
        these = names[:count]
        cpu = [sum(run.cpu[name] for name in these) for run in figures.runs]
        ratios = [mine / sum(run.cpu.values()) for mine, run in zip(cpu, own.runs, strict=True)]
        memory = [sum(run.memory[name] for name in these) for run in figures.runs]
        yield [
            " and ".join((figures.name, *these[1:])),
            figures.mode,
            spread([run.rate for run in figures.runs]),
            f"{min(run.good for run in figures.runs):.1%}",
            spread(cpu),
            "1" if figures is own else spread(ratios, 2),
            f"{statistics.median(memory):.0f}",
        ]


def _measured(here: Town, itself: float, starting: AbstractContextManager[Client]) -> Run:
    with starting as client:
        time.sleep(WARM_UP)
        before = {name: cpu_seconds(child) for name, child in client.processes.items()}
        count, start = _requests(here), time.monotonic()
        while time.monotonic() < start + WINDOW:
            time.sleep(LOOK)
            client.look()
        spent = {name: cpu_seconds(child) - before[name] for name, child in client.processes.items()}
        took = time.monotonic() - start
        asked = _requests(here) - count - itself * took
        return Run(
            {name: seconds / asked * 1e6 for name, seconds in spent.items()},
            {name: child.resident_mib() for name, child in client.processes.items()},
            asked / took,
            client.good(),
        )


def cpu_seconds(child: Child) -> float:
    """All its threads, to the nanosecond: /proc counts in ticks of 10 ms, and a window has twenty of them."""
    process_clock = (~child.pid << 3) | 2  # as clock_getcpuclockid(3) makes it
    return time.clock_gettime(process_clock)


def _requests(here: Town) -> float:
    """Answered by the API server so far, whoever asked."""
    text = here.cluster.admin.request("GET", "/metrics").body.decode()
    # Every request is authorized once, and counted whatever came of it; apiserver_request_total leaves out the denied.
    lines = (line for line in text.splitlines() if line.startswith("authorization_attempts_total{"))
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def _requests_by_itself(here: Town) -> float:
    """Requests per second that the API server makes to itself."""
    time.sleep(WARM_UP)
    before, start = _requests(here), time.monotonic()
    time.sleep(2 * WINDOW)
    return (_requests(here) - before) / (time.monotonic() - start)


@dataclass
class OurDaemon:
    daemon: Sentinel

    @property
    def processes(self) -> Mapping[str, Child]:
        return {"sentinel": self.daemon.process}

    def look(self) -> None:
        self.daemon.get("/metrics")

    def good(self) -> float:
        seen = self.daemon.metrics()
        total = seen.sum("sentinel_verdicts_total")
        return seen.sum("sentinel_verdicts_total", verdict="held") / total


@contextmanager
def sentinel(here: Town, pace: Mapping[str, Any]) -> Iterator[OurDaemon]:
    with here.sentinel(TENANT, here.config(TENANT, **pace, qps=100_000)) as daemon:
        daemon.wait_ready(60)
        yield OurDaemon(daemon)


@dataclass
class Cloudprober:
    processes: Mapping[str, Child]
    url: str

    def look(self) -> None:
        fetch(self.url)

    def good(self) -> float:
        sums = dict.fromkeys(("success", "total"), 0.0)
        for line in fetch(self.url)[1].splitlines():
            name = line.partition('{ptype="http"')[0]
            if name in sums:
                sums[name] += float(line.split()[1])  # a timestamp may follow
        return sums["success"] / sums["total"]


@contextmanager
def cloudprober(here: Town, folder: Path, interval: float, *, keep: bool) -> Iterator[Cloudprober]:
    port = free_port()
    config = folder / "cloudprober.cfg"
    probes = (_probe(here, target, path, interval, keep=keep) for target, path in _paths(here).items())
    config.write_text("\n".join((f'host: "127.0.0.1"\nport: {port}\nsurfacer {{ type: PROMETHEUS }}', *probes)))
    flags = (f"--config_file={config}", "--cloud_metadata=none", "--disable_cloud_logging")
    child = Child([parts.find("cloudprober"), *flags], folder / "cloudprober.log", cwd=folder)
    url = f"http://127.0.0.1:{port}/metrics"
    try:
        eventually(lambda: fetch(url)[0] == 200, 30, lambda: f"cloudprober\n{child.log_tail()}")
        yield Cloudprober({"cloudprober": child}, url)
    finally:
        child.kill()


def _probe(here: Town, target: str, path: str, interval: float, *, keep: bool) -> str:
    milliseconds = round(interval * 1000)
    headers = "".join(f' header {{ key: "{key}" value: "{value}" }}' for key, value in _headers(here).items())
    return f"""
probe {{
  name: "{target}" type: HTTP
  targets {{ host_names: "127.0.0.1" }}
  interval_msec: {milliseconds} timeout_msec: {min(1000, round(0.9 * milliseconds))}
  http_probe {{
    scheme: HTTPS port: {here.cluster.port} relative_url: "{path}" keep_alive: {str(keep).lower()}{headers}
    tls_config {{ ca_cert_file: "{here.cluster.ca_file}" }}
  }}
  validator {{ name: "denied" http_validator {{ success_status_codes: "403" }} }}
}}"""


@dataclass
class Blackbox:
    processes: Mapping[str, Child]
    prometheus: Prometheus

    def look(self) -> None:
        """Prometheus does."""

    def good(self) -> float:
        return self.prometheus.value("avg(avg_over_time(probe_success[1m]))") or 0.0


@contextmanager
def blackbox(here: Town, folder: Path, interval: float) -> Iterator[Blackbox]:
    address = f"127.0.0.1:{free_port()}"
    http = {
        "valid_status_codes": [403],
        "preferred_ip_protocol": "ip4",
        "headers": dict(_headers(here)),
        "tls_config": {"ca_file": str(here.cluster.ca_file)},
    }
    config = folder / "blackbox.yml"
    config.write_text(yaml.safe_dump({"modules": {"denied": {"prober": "http", "timeout": "2s", "http": http}}}))
    # Its half second of caution is longer than our intervals.
    flags = (f"--config.file={config}", f"--web.listen-address={address}", "--timeout-offset=0", "--log.level=error")
    with ExitStack() as stack:
        child = Child([parts.find("blackbox_exporter"), *flags], folder / "blackbox.log", cwd=folder)
        stack.callback(child.kill)
        eventually(lambda: fetch(f"http://{address}/-/healthy")[0] == 200, 30, child.log_tail)
        watching = stack.enter_context(Prometheus(_probing(here, address, interval)))
        assert watching.child is not None, "it runs inside its `with` block"
        yield Blackbox({"blackbox_exporter": child, "Prometheus": watching.child}, watching)


def _probing(here: Town, address: str, interval: float) -> dict[str, Any]:
    period = f"{round(interval * 1000)}ms"
    urls = [f"{here.cluster.url}{path}" for path in _paths(here).values()]
    job = {
        "job_name": "blackbox",
        "metrics_path": "/probe",
        "params": {"module": ["denied"]},
        "static_configs": [{"targets": urls}],
        "relabel_configs": [
            {"source_labels": ["__address__"], "target_label": "__param_target"},
            {"source_labels": ["__param_target"], "target_label": "instance"},
            {"target_label": "__address__", "replacement": address},
        ],
    }
    return {"global": {"scrape_interval": period, "scrape_timeout": period}, "scrape_configs": [job]}


def _paths(here: Town) -> dict[str, str]:
    """One question for each of the sentinel's targets."""
    config = here.config(TENANT)
    others = [space for tenant in config["tenants"] if tenant["name"] != TENANT for space in tenant["namespaces"]]
    spaces = [*others, *config["isolation"]["system"]]
    return {space: f"/api/v1/namespaces/{space}/secrets?limit=1" for space in spaces}


def _headers(here: Town) -> dict[str, str]:
    return {"Authorization": f"Bearer {here.cluster.token_for(TENANT)}", "Accept": "image/png"}
