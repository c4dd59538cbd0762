"""One module for each group of endpoints; each holds its `ROUTES`, and whatever lies here is served."""
