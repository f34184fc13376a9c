"""The tasks that samplers can be compared at, and what a module of a task must have."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from graphns.compare import link_tasks, tasks
from graphns.compare.layout import Layout
from graphns.compare.trainings import Report

TASKS = ("node", "link")


class Task(Protocol):
    """What the comparison asks of a task: plain functions of a module."""

    DATA: str  # name of the file that keeps the data while runs read them
    GIVEN: dict[str, str | None]  # what can be given to samplers that need it, and the option that takes it

    def load(self, settings: Any, /) -> Any:
        """The data."""

    def save_data(self, data: Any, path: Path, /) -> None:
        """Keep the data so that each run reads them fast."""

    def plan(self, settings: Any, data: Any, /) -> dict[str, Any]:
        """"training", what runs need beside the samplers; "data"; and "protocol", in words."""

    def all_tasks(self, settings: Any, /) -> list[dict[str, Any]]:
        """Every run, in order."""

    def layout(self, plan: dict[str, Any], /) -> Layout:
        """What is shown."""

    def perform(self, task: dict[str, Any], report: Report, /) -> dict[str, Any]:
        """Do a run and give its results, in plain values."""


def module(name: str) -> Task:
    """The module of a task.

    Raises:
        ValueError: there is no such task.
    """
    if name not in TASKS:
        raise ValueError(f"task must be one of {', '.join(TASKS)}, got {name!r}")
    return tasks if name == "node" else link_tasks
