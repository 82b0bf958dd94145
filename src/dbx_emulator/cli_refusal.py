"""What the commands say when they cannot do what they were asked for."""

from __future__ import annotations

import click

__all__ = ["Refused"]


class Refused(click.ClickException):
    """What was asked for cannot be; told in one line, without the usage."""

    exit_code = 2
