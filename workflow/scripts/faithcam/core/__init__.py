"""Parts that know no stage: errors, random numbers, devices, settings, views of maps."""
