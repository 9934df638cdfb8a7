"""The spaces that come with the package, each one short file; copy one to make your own."""
