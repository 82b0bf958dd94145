"""Tests of what judges the code under test."""
