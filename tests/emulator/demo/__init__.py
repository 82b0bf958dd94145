"""Tests of the parts of the demo; the whole is played in tests/e2e."""
