"""Dynamic samplers: the proposal reads the model, or the graph around the anchor."""
