"""Does a metric find the truth? The difference of two maps in all its specifications."""
