"""What chooses anchors: torch batch samplers."""
