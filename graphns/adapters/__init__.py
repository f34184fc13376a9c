"""The only files that import other graph libraries at will: PyG, DGL, PyKEEN, OGB, networkx."""
