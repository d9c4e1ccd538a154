"""The world the tests are run in: real servers on loopback, started and ended here.

Each module is one server, used as a context manager. All of them bind to
127.0.0.1 on free ports, write to a temporary folder that goes with them, and end
only processes that they started.
"""
