"""The graph and what is read off it: edge sets, walks, PageRank, clusters, splits."""
