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


def seconds(*command: str) -> float:
    """Median wall time of a command."""
    times = []
    for _ in range(REPEATS + 1):
        begin = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - begin)
    return statistics.median(times[1:])


def main() -> None:
    """Measure and print."""
    python = sys.executable
    torch = seconds(python, "-c", "import torch")
    both = seconds(python, "-c", "import torch, graphns")
    contract = seconds(python, "-c", "import torch; from graphns import Graph, Query, Sampler, Stream")
    help_ = seconds(python, "-c", "import sys; sys.argv = ['graphns', '--help']; from graphns.cli import main; main()")
    print(f"import torch                      {torch:6.2f} s")
    print(f"  + import graphns                {both:6.2f} s  ({100 * (both / torch - 1):+.1f} %)")
    print(f"  + Graph, Query, Sampler, Stream {contract:6.2f} s  ({100 * (contract / torch - 1):+.1f} %)")
    print(f"graphns --help                    {help_:6.2f} s")


if __name__ == "__main__":
    main()
