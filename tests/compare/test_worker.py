"""Runs in processes of their own: apart from one another, killed, resumed."""

import json
import mmap
import os
import signal
import subprocess
import sys
import time

import pytest

from graphns.compare import memory, worker
from graphns.compare.files import read_json
from graphns.compare.worker import Workshop

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
OPTIONS = ["--samplers", "uniform", "--seeds", "2", "--k", "8", "--threads", "1"]


def compare(*arguments, **options):
    return subprocess.Popen([sys.executable, "-m", "graphns.cli", "compare", *map(str, arguments)],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def wait_for(path, process, seconds=240):
    end = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, f"no {path}"
        time.sleep(0.05)




@needs_fork
def test_a_comparison_killed_goes_on_where_it_was(tmp_path):
    out = tmp_path / "out"
    first = out / "runs" / "uniform" / "seed-0.json"
    process = compare(*OPTIONS, "--epochs", 40, "--out", out)
    wait_for(first, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (out / "report.html").exists()
    before = first.stat().st_mtime_ns
    process = compare(*OPTIONS, "--epochs", 40, "--out", out)
    text, errors = process.communicate()
    assert process.returncode == 0, errors
    assert first.stat().st_mtime_ns == before
    assert (out / "report.html").exists() and "report:" in text and "uniform" in text
    run = read_json(out / "runs" / "uniform" / "seed-1.json")
    assert run["epochs"] == 40 and run["peak_mb"] > 100 > run["added_mb"] >= 0
    assert "7/7 uniform, seed 1" in errors
    assert "Traceback" not in (out / "runs" / "log.txt").read_text()


@needs_fork
def test_tasks_have_processes_of_their_own(tmp_path):
    workshop = Workshop(tmp_path / "log.txt")
    try:
        # what is no task is an error of that run alone
        for _ in range(2):
            answer = workshop.run({"threads": 1, "imports": [], "folder": str(tmp_path)}, lambda message: None)
            assert answer["error"].startswith("FileNotFoundError") and not answer["user"]
            assert "data.pt" in answer["traceback"]
        answer = workshop.run({"threads": 1, "imports": ["no_such_module_here"]}, lambda message: None)
        assert answer["user"] and "no_such_module_here" in answer["error"]
    finally:
        workshop.close()
    assert workshop._process.poll() is not None


@needs_fork
def test_a_run_that_is_killed_takes_nothing_with_it(tmp_path):
    (tmp_path / "killer_module.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    (tmp_path / "quitter_module.py").write_text("import os\nprint('noise')\nos._exit(3)\n")
    script = (
        "import json, sys\nfrom pathlib import Path\nfrom graphns.compare.worker import Workshop\n"
        "shop = Workshop(Path('log.txt'))\n"
        "for name in ('killer_module', 'quitter_module', 'none_module'):\n"
        "    print(json.dumps(shop.run({'threads': 1, 'imports': [name]}, print)))\n"
        "shop.close()\n")
    found = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    killed, quit_, none = map(json.loads, found.stdout.splitlines())
    assert killed["error"] == "the process was ended by signal SIGKILL (out of memory?)"
    assert quit_["error"] == "the process ended with status 3"
    assert "none_module" in none["error"]


def test_a_worker_that_dies_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/true" if os.path.exists("/bin/true") else sys.executable)
    workshop = Workshop(tmp_path / "log.txt")
    try:
        answer = workshop.run({"threads": 1}, lambda message: None)
    finally:
        workshop.close()
    assert "ended without an answer" in answer["error"]


def test_perform_tells_users_mistakes_from_bugs(monkeypatch):
    from graphns.compare import tasks

    def raising(error):
        def perform(task, report):
            raise error

        monkeypatch.setattr(tasks, "perform", perform)
        return worker.perform({}, lambda message: None)

    assert raising(ValueError("needs a table"))["error"] == "needs a table"
    assert raising(ValueError("x"))["user"] and not raising(KeyError("x"))["user"]
    assert raising(RuntimeError("x"))["error"] == "RuntimeError: x"
    with pytest.raises(BrokenPipeError):
        raising(BrokenPipeError())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak starts anew on Linux only")
def test_memory_peak_starts_anew():
    # the system may take cold pages back at any time, so only differences well above that are looked at; pages of our
    # own, not of the allocator's, which may serve a request of any size from what earlier tests left it, and keep it
    block = mmap.mmap(-1, 120_000_000)
    for page in range(0, len(block), mmap.PAGESIZE):
        block[page] = 1
    high = memory.peak_mb()
    assert high >= memory.now_mb() > 60
    block.close()
    assert memory.now_mb() < high - 60 and memory.peak_mb() >= high - 1
    memory.reset_peak()
    if memory.peak_mb() >= high:
        pytest.skip("this system does not let the peak start anew")
    assert memory.peak_mb() < high - 60


def test_memory_without_proc(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "_STATUS", tmp_path / "none")
    assert memory.now_mb() == memory.peak_mb() > 10
