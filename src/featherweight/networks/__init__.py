"""Building blocks of networks, and the anatomy of any network."""
