"""Each run in a process of its own, without paying the imports each time.

`Workshop` starts `python -m graphns.compare.worker`. That process imports everything, runs nothing, and forks a child
for each task; so times and peak memory are those of one run, and a run that dies takes nothing with it. Tasks go in
and reports come out as lines of JSON. Where there is no fork, each task starts its own interpreter.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import IO, Any

_HEAVY = ("lightning.fabric", "sklearn.linear_model", "scipy.sparse.csgraph", "scipy.stats")  # imported in functions
Report = Callable[[dict[str, Any]], None]


class Workshop:
    """Runs tasks one after another, each in a fresh process.

    Args:
        log: file for what the processes write on stderr.
    """

    def __init__(self, log: Path) -> None:
        self._log = log.open("ab")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Let the imports begin."""
        if self._process is None or self._process.poll() is not None:
            # threads of OpenMP that wait by spinning cost a busy machine ten times the time, a quiet one gain little
            environment = {"OMP_WAIT_POLICY": "PASSIVE", **os.environ}
            self._process = subprocess.Popen([sys.executable, "-m", "graphns.compare.worker"], env=environment,
                                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log)

    def run(self, task: dict[str, Any], report: Report) -> dict[str, Any]:
        """Do a task; every message goes to `report`, the last comes back: {"done": …} or {"error": …, "user": bool}."""
        self.start()
        process = self._process
        assert process is not None and process.stdin is not None and process.stdout is not None
        last: dict[str, Any] = {}
        try:
            process.stdin.write(json.dumps(task).encode() + b"\n")
            process.stdin.flush()
            for line in process.stdout:
                last = json.loads(line)
                if "done" in last or "error" in last:
                    return last
                report(last)
        except BrokenPipeError:
            pass
        return {"error": f"the process ended without an answer; see {self._log.name}", "user": False}

    def close(self) -> None:
        """End the process, and the run it may be in."""
        if self._process is not None:
            assert self._process.stdin is not None and self._process.stdout is not None
            if self._process.poll() is None:
                self._process.terminate()
            self._process.wait()
            with suppress(BrokenPipeError):  # a task that a dead process never read is still to be flushed
                self._process.stdin.close()
            self._process.stdout.close()
        self._log.close()


def perform(task: dict[str, Any], report: Report) -> dict[str, Any]:
    """Do a task in this process; errors become answers, with the traceback of those that are no user's."""
    from graphns.compare import task_kinds

    try:
        return {"done": task_kinds.module(task.get("task", "node")).perform(task, report)}
    except BrokenPipeError:  # whoever asked has gone
        raise
    except Exception as error:  # a sampler is anyone's code: its fault is its row's, and the others go on
        user = isinstance(error, ValueError)
        return {"error": str(error) if user else f"{type(error).__name__}: {error}", "user": user,
                "traceback": traceback.format_exc()}


@contextmanager
def _answers() -> Iterator[IO[str]]:
    """The pipe to whoever asked; anything else that is printed goes to stderr, so it cannot garble the answers."""
    with os.fdopen(os.dup(1), "w", buffering=1) as pipe:
        os.dup2(2, 1)
        yield pipe


def _child(task: dict[str, Any], pipe: IO[str]) -> None:
    def report(message: dict[str, Any]) -> None:
        pipe.write(json.dumps(message) + "\n")

    report(perform(task, report))


def main() -> None:
    """Read tasks from stdin until it closes; a child for each."""
    # the imports are paid here, once, before any fork; nothing is run, for threads do not survive a fork
    for module in ("graphns.compare.task_kinds", *_HEAVY):
        import_module(module)

    # a terminal's Ctrl-C reaches the whole group; the parent decides what becomes of us
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with _answers() as pipe:
        for line in sys.stdin:
            task = json.loads(line)
            if not hasattr(os, "fork"):
                _child(task, pipe)
                return  # one task a process; `Workshop` starts the next
            child = os.fork()
            if child == 0:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                status = 1
                try:
                    with suppress(BrokenPipeError):
                        _child(task, pipe)
                        status = 0
                finally:
                    # no exit handlers: they belong to the process that was forked
                    os._exit(status)
            signal.signal(signal.SIGTERM, lambda *_: _end(child))  # noqa: B023  # used before the next round
            _, status = os.waitpid(child, 0)
            if status:
                try:
                    pipe.write(json.dumps({"error": _why(status), "user": False}) + "\n")
                except BrokenPipeError:  # whoever asked has gone
                    os._exit(1)


def _end(child: int) -> None:
    with suppress(ProcessLookupError):  # it may just have ended by itself
        os.kill(child, signal.SIGKILL)
    os._exit(1)


def _why(status: int) -> str:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        hint = " (out of memory?)" if number == signal.SIGKILL else ""
        return f"the process was ended by signal {signal.Signals(number).name}{hint}"
    return f"the process ended with status {os.WEXITSTATUS(status)}"


if __name__ == "__main__":
    main()
