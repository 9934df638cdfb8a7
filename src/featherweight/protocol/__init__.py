"""Whether a result holds: the protocol, its ledger, comparisons, and the public pages."""
