"""REHEARSES. The whole of sentinel on one machine, with nothing installed.

    world    -> the objects of three tenants, as the chart would create them
    rbac     -> who may do what, decided from such objects
    asked    -> one HTTP request, as Kubernetes reads it
    types    -> the types served, and their discovery documents
    answers  -> the exact bytes of an answer
    tokens   -> the tokens of service accounts
    apiserver   the stand-in API server that joins these
    show        what `sentinel demo` puts on the terminal

The real sentinel runs against the stand-in, so the stand-in must not be kinder than the
real thing: `tests/wire/test_standin.py` puts the same questions to both and compares.
"""
