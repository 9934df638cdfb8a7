"""Pictures as people have them, made from digits whose label is known: drawings, scans and photos."""
