"""REHEARSES. The whole of sentinel on one machine, with nothing installed.

    world      the objects of three tenants, as the chart would create them
    rbac       who may do what, decided from such objects
    asked      one HTTP request, as Kubernetes reads it
    served     the types served, and their discovery documents
    answers    the exact bytes of an answer      reviews, tokens: what some of them hold
    cluster    request in, reply out             apiserver: the same behind TLS

    provider   an LLM provider that can be killed  gateway: two of them behind one address, with a switch

    stage      everything started and ended together: programs, receiver, loopback
    story      what has happened so far          view: what a sentinel's console says
    screen     how it looks                      show: what `sentinel demo` does
    failover   its second act                    truth: what was measured beside what was so

The real sentinel runs against the stand-in, so the stand-in must not be kinder than the
real thing: `tests/wire/test_standin.py` puts the same questions to both and compares.
"""
