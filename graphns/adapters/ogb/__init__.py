"""OGB's data sets, splits and evaluators; needs the package `ogb`: pip install 'graphns[ogb]'."""
