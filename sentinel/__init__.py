"""tenant-sentinel: proves, day and night and from inside, that no tenant reads another's things.

    core/      DECIDES  values and pure functions; `core/verdict.py` is the first page to read
    engine/    DRIVES   time and tasks          probes/  ASKS   one file per thing we can ask
    clients/   SPEAKS   foreign errors end here sinks/   TELLS  one file per place a record goes
    injectors/ BREAKS   one file per thing we can break, and heal
    reports/   WRITES   values in, text out     web/     SHOWS  health, metrics, the status page
    settings/  the configuration as types       kinds.py the contracts between the rooms
    joins/     JOINS    settings turned into what runs: world.py, gateways.py, paging.py, subject.py, watching.py ...
    tools/     what a person runs beside the daemon: once, explain, doctor, report, drill
    commands/  PARSES   one file per command, and prints; cli.py lists them
    daemon.py  a tenant's sentinel              witness.py  the witness
    beacon.py  a pod that only answers          visitor.py  who looks at chat pages, in a pod without a token
    demo/      a stand-in API server, and the show on the terminal

One direction: settings -> plan -> agenda -> observation -> verdict -> standing -> record -> sinks.
"""

__version__ = "0.1.0"
