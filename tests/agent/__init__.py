"""Tests of `dbx_agent`, one module each."""
