"""Who may have a signature checked: so many a second of each address, of all that are known, and of all others."""

from sentinel.web.turnstile import Rates, Turnstile

RATES = Rates(source=10.0, known=30.0, strangers=20.0)


def admitted(turnstile, source, now, number=1000):
    return sum(turnstile.admits(source, now) for _ in range(number))


def test_an_address_has_two_seconds_worth_at_once_and_its_rate_from_then_on():
    turnstile = Turnstile(RATES)

    assert admitted(turnstile, "a", 0.0) == 20
    assert admitted(turnstile, "a", 0.5) == 5
    assert admitted(turnstile, "a", 100.0) == 20


def test_many_addresses_that_nobody_knows_share_what_is_there_for_strangers():
    turnstile = Turnstile(RATES)

    assert sum(admitted(turnstile, f"stranger-{number}", 0.0, 5) for number in range(100)) == 40
    assert sum(admitted(turnstile, f"other-{number}", 1.0, 5) for number in range(100)) == 20


def test_strangers_take_nothing_from_those_who_are_known():
    turnstile = Turnstile(RATES)
    assert turnstile.admits("known", 0.0)
    turnstile.vouch("known")
    for number in range(1000):
        turnstile.admits(f"stranger-{number}", 0.0)

    assert admitted(turnstile, "known", 0.0) == 19


def test_those_who_are_known_have_a_limit_together_too():
    turnstile = Turnstile(RATES)
    for number in range(20):
        assert turnstile.admits(f"known-{number}", number)
        turnstile.vouch(f"known-{number}")

    assert sum(admitted(turnstile, f"known-{number}", 100.0, 20) for number in range(20)) == 60


def test_what_is_refused_costs_nothing():
    turnstile = Turnstile(Rates(source=1.0, known=100.0, strangers=100.0))
    admitted(turnstile, "greedy", 0.0)

    assert admitted(turnstile, "greedy", 0.0) == 0
    assert sum(admitted(turnstile, f"stranger-{number}", 0.0, 1) for number in range(198)) == 198


def test_a_small_cost_is_paid_more_often():
    turnstile = Turnstile(RATES)

    assert sum(turnstile.admits("a", 0.0, 0.125) for _ in range(1000)) == 160


def test_only_so_many_addresses_are_remembered_and_known_ones_apart():
    turnstile = Turnstile(RATES, most=8)
    assert turnstile.admits("known", 0.0)
    turnstile.vouch("known")
    for number in range(1000):
        turnstile.admits(f"stranger-{number}", float(number))

    assert len(turnstile._strangers) == 8
    assert list(turnstile._known) == ["known"]


def test_a_clock_that_goes_backwards_gives_nothing_away():
    turnstile = Turnstile(RATES)
    admitted(turnstile, "a", 100.0)

    assert admitted(turnstile, "a", 50.0) == 0
