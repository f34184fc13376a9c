"""What bends candidates into negatives that are rows of no table."""

from __future__ import annotations

from graphns.catalogue.entry import Entry

ROWS: tuple[Entry, ...] = ()
