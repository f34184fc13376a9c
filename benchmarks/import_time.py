"""What `import graphns` adds to importing torch, and how soon `graphns --help` answers.

    python benchmarks/import_time.py

Each is the median of several fresh interpreters, after one that fills the disk cache.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

REPEATS = 7


def medians(commands: dict[str, list[str]]) -> dict[str, float]:
    """Median wall time of each command; they take turns, so that a busy minute slows all alike."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(REPEATS + 1):
        for name, command in commands.items():
            begin = time.perf_counter()
            subprocess.run([sys.executable, "-c", *command], check=True, stdout=subprocess.DEVNULL)
            times[name].append(time.perf_counter() - begin)
    return {name: statistics.median(each[1:]) for name, each in times.items()}


def main() -> None:
    """Measure and print."""
    took = medians({
        "import torch": ["import torch"],
        "import torch, graphns": ["import torch, graphns"],
        "… and Query, Sampler, Stream": ["import torch; from graphns import Query, Sampler, Stream"],
        "graphns --help": ["import sys; sys.argv = ['graphns', '--help']; from graphns.cli import main; main()"],
    })
    for name, each in took.items():
        added = f"  ({100 * (each / took['import torch'] - 1):+.1f} %)" if "graphns" in name or "…" in name else ""
        print(f"{name:30} {each:6.2f} s{'' if name.startswith('graphns') else added}")


if __name__ == "__main__":
    main()
