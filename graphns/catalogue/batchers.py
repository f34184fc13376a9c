"""What chooses the anchors of a batch."""

from __future__ import annotations

from graphns.catalogue.entry import Entry

ROWS: tuple[Entry, ...] = ()
