"""What runs until it is told to stop: a tenant's sentinel, the witness, a beacon, a visitor."""

import os
from pathlib import Path

from sentinel.commands.common import DEFAULT_CONFIG, Config, load, load_tenants, load_witness, refuse, run_async
from sentinel.errors import ConfigError, Problem

DEFAULT_WITNESS = Path("/etc/sentinel/witness.yaml")


def run(config: Config = DEFAULT_CONFIG) -> None:
    """Run the daemon until it is told to stop."""
    from sentinel import logs
    from sentinel.daemon import Daemon

    settings = load_tenants(config)
    logs.configure(settings.log.level, settings.log.format)
    run_async(Daemon(config, os.environ, settings).run())


def witness(config: Config = DEFAULT_WITNESS) -> None:
    """Run the witness until it is told to stop: the second opinion that no tenant controls."""
    from sentinel import logs
    from sentinel.witness import Witness

    settings = load_witness(config)
    logs.configure(settings.log.level, settings.log.format)
    run_async(Witness(config, os.environ, settings).run())


def beacon(config: Config = DEFAULT_CONFIG) -> None:
    """Run a pod that only answers challenges, until it is told to stop: for pods with other labels."""
    from sentinel import logs
    from sentinel.beacon import BeaconPod

    settings = load_tenants(config)
    if settings.paging.relay is None:
        hint = "a beacon hands its key to the witness, and learns from it who may ask"
        refuse(ConfigError([Problem(str(config), 0, "paging.relay", "nothing", "the relay of the witness", hint)]))
    logs.configure(settings.log.level, settings.log.format)
    run_async(BeaconPod(config, os.environ, settings).run())


def visit(config: Config = DEFAULT_WITNESS) -> None:
    """Look at the pages where users chat, in a browser, until it is told to stop."""
    from sentinel import logs
    from sentinel.visitor import VisitorPod

    settings = load(config)
    logs.configure(settings.log.level, settings.log.format)
    run_async(VisitorPod(config, os.environ, settings).run())
