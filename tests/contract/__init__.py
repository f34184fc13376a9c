"""One suite for every registered sampler: what the contract promises, whoever wrote the sampler."""
