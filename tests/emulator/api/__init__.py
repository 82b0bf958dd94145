"""Tests of the API ring: requests in, replies out, no door."""
