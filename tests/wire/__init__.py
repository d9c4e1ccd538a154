"""The test's own world, tested: each server does what the tests take for granted."""
