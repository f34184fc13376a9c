"""Commands of the command line that train and evaluate, one file each; each is a plain function too."""
