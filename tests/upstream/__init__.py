"""Upstream's own connector, unmodified, against the emulator. Run by `tox run -e upstream` alone."""
