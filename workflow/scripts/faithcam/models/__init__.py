"""Networks: how they are built, trained, evaluated, and made fast."""
