"""The scorecard of samplers and its report."""
