"""What the program says of killed runs, damaged files and hostile input, tried: `python -m tests.faults`."""
