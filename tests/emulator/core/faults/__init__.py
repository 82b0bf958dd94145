"""Tests of the faults: decisions only."""
