"""Tests of the core: pure calls, no HTTP."""
