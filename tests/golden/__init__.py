"""Raw records of each source and the mentions they become."""
