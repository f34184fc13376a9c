"""The results of a benchmark run as JSON and as a table."""

from __future__ import annotations

import csv
import io
import json
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from graphns.compare.files import write_text

PACKAGES = ("graphns", "torch", "numpy", "numba", "torch-geometric", "dgl", "torch-cluster", "grape", "ensmallen")


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """A CSV of the rows, whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def versions() -> dict[str, str]:
    """Of Python and of every package that takes part; "-" where it is missing."""
    import graphns

    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = graphns.__version__ if name == "graphns" else version(name)
        except PackageNotFoundError:
            found[name] = "-"
    return found


def machine(threads: int) -> dict[str, Any]:
    """CPU, its last-level cache, threads used, memory and time of the run."""
    facts = {"cpu": platform.processor() or platform.machine(), "threads": threads, "system": platform.platform(),
             "time": datetime.now(UTC).isoformat(timespec="seconds")}
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = (line.split(":", 1) for line in info.read_text().splitlines() if ":" in line)
        facts["cpu"] = next((value.strip() for key, value in lines if key.strip() == "model name"), facts["cpu"])
    caches = sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"))
    if caches:
        facts["last_level_cache"] = caches[-1].read_text().strip()
    memory = Path("/proc/meminfo")
    if memory.exists():
        facts["memory"] = memory.read_text().split("\n", 1)[0].split(":")[1].strip()
    return facts


def commit() -> str:
    """The commit of this checkout, with "+" if files differ from it; "-" outside a checkout."""
    folder = Path(__file__).parent
    try:
        head = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=folder, capture_output=True, text=True,
                              check=True).stdout.strip()
        changed = subprocess.run(["git", "status", "--porcelain", "--untracked-files=no"], cwd=folder,
                                 capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "-"
    return head + ("+" if changed else "")


def markdown(result: dict[str, Any]) -> str:
    """The tables: per graph, ours beside each peer, then ours beside the machine's limit."""
    rates = ", ".join(f"{rate / 1e6:.0f} M/s by {threads} thread{'s' if int(threads) > 1 else ''}"
                      for threads, rate in result["gather"]["lines_per_second"].items())
    facts = result["machine"]
    out = ["# Speed beside peers", ""]
    if result["quick"]:
        out += ["A quick run on a tiny graph: it shows that everything works, and no speeds.", ""]
    out += [f"{facts['cpu']}, {facts['threads']} threads, last-level cache {facts.get('last_level_cache', '?')}, "
            f"memory {facts.get('memory', '?')}; {facts['time']}; commit {result['commit']}.", "",
            ", ".join(f"{name} {number}" for name, number in result["versions"].items()) + ".", "",
            f"Random reads of cache lines: {rates}, from {result['gather']['array_bytes'] >> 20} MiB.", "",
            "Times are medians, with the fastest and the slowest of the repeats. `ratio` is the peer's time over ours.",
            "`of limit` is our time over the least time for the cache lines that the task has to touch; below 1, the "
            "tables fit in the cache.", ""]
    for graph in result["graphs"]:
        out += [f"## {graph['num_nodes']:,} nodes, {graph['num_edges']:,} edges", "",
                f"Power law, largest out-degree {graph['largest_degree']:,}, seed {graph['seed']}.", "",
                "| task | peer | ours (s) | peer (s) | ratio | of limit |", "| --- | --- | --- | --- | --- | --- |"]
        for row in graph["rows"]:
            own, theirs = row["ours"], row["theirs"]
            ratio = f"{theirs['seconds'] / own['seconds']:,.1f}" if theirs else "-"
            out.append(f"| {row['title']} | {row['peer']}: {row['call']} | {_spread(own)} | "
                       f"{_spread(theirs) if theirs else row['note']} | {ratio} | {_of_limit(own)} |")
        out += ["", "| task | ours (s) | lines | limit (s) | of limit | what has to be touched |",
                "| --- | --- | --- | --- | --- | --- |"]
        out += [f"| {row['title']} | {_spread(row['ours'])} | {row['ours']['lines']:,} | {row['ours']['limit']:.3g} | "
                f"{_of_limit(row['ours'])} | {row['limit']} |" for row in graph["kernels"]]
        out.append("")
    return "\n".join(out)


def _spread(timing: dict[str, Any]) -> str:
    return f"{timing['seconds']:.3g} ({timing['fastest']:.3g} to {timing['slowest']:.3g}, {timing['repeats']})"


def _of_limit(timing: dict[str, Any]) -> str:
    return f"{timing['seconds'] / timing['limit']:.2f}"


def write(result: dict[str, Any], folder: Path) -> None:
    """peers.json and peers.md in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "peers.json").write_text(json.dumps(result, indent=1) + "\n")
    (folder / "peers.md").write_text(markdown(result) + "\n")
    print(f"wrote {folder / 'peers.json'} and peers.md", file=sys.stderr)
