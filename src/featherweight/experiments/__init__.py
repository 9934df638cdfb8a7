"""What is asked of a run and what it achieved: experiments, recipes, budgets, claims and records; and the ladders."""
