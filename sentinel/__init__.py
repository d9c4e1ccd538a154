"""tenant-sentinel: proves, day and night and from inside, that no tenant reads another's things.

    core/      DECIDES  values and pure functions; `core/verdict.py` is the first page to read
    engine/    DRIVES   time and tasks          probes/  ASKS   one file per thing we can ask
    clients/   SPEAKS   foreign errors end here sinks/   TELLS  one file per place a record goes
    injectors/ BREAKS   one file per thing we can break, and heal
    reports/   WRITES   values in, text out     web/     SHOWS  health, metrics, the status page
    settings/  the configuration as types       kinds.py the contracts between the rooms
    world.py   settings turned into what they name
    daemon.py  joins a tenant's sentinel        witness.py  joins the witness: subject.py one tenant as it
    reload.py  the file while it lasts                      sees it, watching.py what it watches
    visitor.py  joins who looks at chat pages, in a pod without a token: pages.py
    drilling.py  joins a drill: telling.py      doctor.py, explain.py, once.py  what their commands do
                 what it tells others
    cli.py     lists the commands           commands/  PARSES  one file per command, and prints
    demo/      a stand-in API server, and the show on the terminal

One direction: settings -> plan -> agenda -> observation -> verdict -> standing -> record -> sinks.
"""

__version__ = "0.1.0"
