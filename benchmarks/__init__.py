"""Benchmarks: ratios within one run, against a named baseline."""
