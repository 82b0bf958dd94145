"""Tests of what judges a client."""
