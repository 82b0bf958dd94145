"""`python -m benchmarks` prints the gates, with the machine they were measured on."""

from __future__ import annotations

import os
import platform

from benchmarks import doors, gates

if __name__ == "__main__":
    print(
        f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores, "
        f"{platform.system()} {platform.machine()}"
    )
    for gate in (gates.in_process, gates.beside_other_rules, gates.on_the_socket, *doors.DOORS):
        print(gate())
