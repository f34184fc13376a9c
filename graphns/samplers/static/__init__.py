"""Static samplers: the proposal is fixed by the data."""
