"""Operations: jobs, plans, places to run, provenance, archives."""
