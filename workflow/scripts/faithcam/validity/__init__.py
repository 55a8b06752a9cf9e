"""Does a metric find the truth? Controls, outcomes, verdicts."""
