"""`python -m benchmarks` prints the gates, with the machine they were measured on."""

from __future__ import annotations

import os
import platform

from benchmarks import agent, doors, gates, scale, sweeping, waiting

if __name__ == "__main__":
    print(
        f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores, "
        f"{platform.system()} {platform.machine()}"
    )
    many = (scale.get_among_many, scale.list_among_many, scale.bytes_per_run, scale.thousand_tasks)
    for gate in (
        gates.in_process,
        gates.beside_other_rules,
        gates.on_the_socket,
        *many,
        scale.snapshot_of_thousand,
        *waiting.WAITING,
        *doors.DOORS,
        *agent.AGENT,
        sweeping.sweep_of_twenty_calls,
    ):
        print(gate())
