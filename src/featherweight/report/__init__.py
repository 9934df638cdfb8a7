"""Shows what a run learned and where it fails: analysis, figures, the page of a run, trackers, notebooks."""
