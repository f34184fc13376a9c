"""What there is, as data: one file a family, one row a method. Nothing is imported until it is asked for."""
