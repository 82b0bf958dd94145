"""The scenarios that come with the emulator, named as users name the trouble: one file each in `scenarios/`.

A file is read when its scenario is asked for, so that a workspace costs neither files nor PyYAML until then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

from dbx_emulator._core.errors import UsageError
from dbx_emulator._core.scenarios import Scenario

__all__ = ["CATALOGUE", "FOLDER", "Catalogue"]

#: Where the files are.
FOLDER = Path(__file__).parent / "scenarios"


class Catalogue(Mapping[str, Scenario]):
    """The scenarios of a folder by name; each file `NAME.yaml` has the one of its name.

    Args:
        folder: Where the files are.

    Raises:
        ModuleNotFoundError: On reading one, if PyYAML is missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, Scenario] = {}

    def __getitem__(self, name: str) -> Scenario:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._read:
            self._read[name] = self._load(name)
        return self._read[name]

    def __contains__(self, name: object) -> bool:
        # Without reading the file, as the mixin would.
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(sorted(path.stem for path in self._folder.glob("*.yaml")))

    def _load(self, name: str) -> Scenario:
        from dbx_emulator.scenario_files import load_scenarios

        path = self._folder / f"{name}.yaml"
        found = load_scenarios(path)
        if [scenario.name for scenario in found] != [name]:
            raise UsageError(f"{path}: a file of the catalogue has one scenario, of its own name")
        return found[0]


CATALOGUE = Catalogue(FOLDER)
