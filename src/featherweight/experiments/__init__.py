"""What is asked and what came of it: experiments, recipes, budgets, claims, records; and the ladders."""
