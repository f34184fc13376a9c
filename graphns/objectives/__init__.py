"""What is minimised: scores, log-probabilities and a mask in, a scalar out."""
