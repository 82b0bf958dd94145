"""Tests of the rules: a bad client for each, the corrected one, and good clients that break none."""
