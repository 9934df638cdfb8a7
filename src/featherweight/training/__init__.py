"""The training loop and its parts; `runs` stores it on disk, `bench` times it."""
