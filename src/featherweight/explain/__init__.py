"""What a run has learned and where it fails: analysis, figures, the report, trackers, notebooks."""
