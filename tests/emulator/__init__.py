"""Tests of the emulator, one module for each of its modules."""
