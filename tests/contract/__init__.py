"""Tests that every door gives the same service."""
