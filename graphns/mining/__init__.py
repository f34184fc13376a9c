"""Hard negatives from any embeddings: by a window of ranks and scores, or by a sampler over their k-NN graph."""
