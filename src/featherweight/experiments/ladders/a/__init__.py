"""From a skeleton of 390,000 parameters to a plateau schedule, in ten rungs (published)."""
