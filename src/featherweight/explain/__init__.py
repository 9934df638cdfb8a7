"""What a run learned and where it fails: analysis, figures, the report, trackers, notebooks."""
