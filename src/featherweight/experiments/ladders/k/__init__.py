"""Why 99.6 %: from a plain network to f3 and f4, one change a rung."""
