"""Laws are checked on machines that are busy with other things: how long an example takes is not one of them."""

from hypothesis import HealthCheck, settings

settings.register_profile("laws", max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("laws")
