"""`python -m docs.build`: see the package's docstring."""

from docs.build.publish import write

from featherweight.protocol.committed import source_tree

for changed in write(root := source_tree()):
    print(f"wrote {changed.relative_to(root)}")
