"""Whether a result holds: ladders and proofs, the ledger of test-set evaluations, comparisons."""
