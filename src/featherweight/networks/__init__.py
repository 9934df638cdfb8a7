"""What a network can be: blocks, and the anatomy of any module."""
