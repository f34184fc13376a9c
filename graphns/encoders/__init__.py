"""Graph encoders that the pipelines share."""
